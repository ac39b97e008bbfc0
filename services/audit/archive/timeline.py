"""A history told in Chinese, one line per event."""

from collections.abc import Callable
from typing import Any

import msgspec

from services.audit.archive.history import Located
from shared.eventstore.record import Record
from shared.values.clocks import SHANGHAI
from shared.values.districts import District

Event = dict[str, Any]

SERVICES = {
    "registry": "登记",
    "training": "培训",
    "subsidy": "补贴",
    "loans": "贷款",
    "notify": "通知",
    "audit": "审计",
}

HOLDS = {
    "objection": "异议待核实",
    "policy": "等待适用政策",
    "budget": "等待预算",
    "certificate_revoked": "证书被撤销",
    "death": "申请人身故",
    "deregistration": "组织注销",
    "calendar": "等待工作日安排",
}

MESSAGES = {
    "claim_submitted": "申请已提交",
    "claim_correction_requested": "申请需要补正",
    "claim_corrected": "补正已收到",
    "claim_reviewed": "申请已审核",
    "claim_approved": "申请已批准",
    "claim_rejected": "申请未获批准",
    "claim_withdrawn": "申请已撤回",
    "claim_held": "申请暂缓办理",
    "claim_hold_lifted": "申请恢复办理",
    "claim_noticed": "申请进入公示",
    "claim_notice_ended": "公示期已满",
    "claim_payment_ordered": "补贴正在发放",
    "claim_paid": "补贴已发放",
    "claim_payment_returned": "补贴发放被退回",
    "claim_payment_unknown": "发放结果核实中",
    "claim_recovering": "补贴须退回",
    "claim_recovered": "补贴已退回",
    "claim_recovery_waived": "追回已终止",
}
"""What a message said, by its template; the version of the wording does not matter here."""

PHRASES: dict[str, Callable[[Event], str]] = {
    "registry.PersonRegistered.v1": lambda e: "申请人完成实名登记",
    "registry.ConsentGiven.v1": lambda e: "申请人单独同意向银行推荐",
    "registry.ConsentWithdrawn.v1": lambda e: "申请人撤回同意",
    "registry.PersonDied.v1": lambda e: f"登记死亡（{e['died_on']}）",
    "registry.PersonRestricted.v1": lambda e: f"个人信息限制处理（{e['restricted_on']}）",
    "registry.RestrictionLifted.v1": lambda e: f"解除个人信息限制（{e['lifted_on']}）",
    "registry.ErasureScheduled.v1": lambda e: f"决定删除个人信息，依法留存至 {e['retained_until']}",
    "registry.PersonErased.v1": lambda e: f"个人信息已删除，不可恢复（{e['erased_on']}）",
    "registry.OrganisationRegistered.v1": lambda e: f"登记组织“{e['name']}”，成立于 {e['registered_on']}",
    "registry.RoleRecorded.v1": lambda e: f"登记任职，自 {e['since']} 起",
    "registry.OrganisationDeregistered.v1": lambda e: f"组织注销（{e['deregistered_on']}）",
    "registry.PersonalDataDisclosed.v1": lambda e: "查阅个人信息（已留痕）",
    "training.CertificateIssued.v1": lambda e: f"颁发证书 {e['number']}（{e['issued_on']}）",
    "training.CertificateRevoked.v1": lambda e: f"撤销证书 {e['number']}",
    "subsidy.ClaimSubmitted.v1": lambda e: _submitted(e),
    "subsidy.ClaimSubmitted.v2": lambda e: _submitted(e),
    "subsidy.ClaimScreened.v1": lambda e: _screened(e),
    "subsidy.ClaimScreened.v2": lambda e: _screened(e),
    "subsidy.ClaimRescreened.v1": lambda e: "适用政策变更，重新初筛：" + _screened(e),
    "subsidy.EvidenceAttested.v1": lambda e: f"核验申报内容“{e['evidence']}”，{'属实' if e['confirmed'] else '不属实'}",
    "subsidy.ClaimEscalated.v1": lambda e: f"逾期未办（期限 {e['due_on']}），报{e['escalated_to']}督办",
    "subsidy.PayeeChecked.v1": lambda e: "收款账户户名与本人一致" if e["matches"] else "收款账户户名与本人不一致",
    "subsidy.CorrectionRequested.v1": lambda e: f"一次性告知补正，期限 {e['due_on']}",
    "subsidy.ClaimCorrected.v1": lambda e: "补正收款账户",
    "subsidy.ClaimReviewed.v1": lambda e: "审核人建议批准",
    "subsidy.ClaimApproved.v1": lambda e: f"第二人批准，承诺 {e['amount']} 元（预算 {e['budget_line']}）",
    "subsidy.ClaimRejected.v1": lambda e: "不予批准：" + "；".join(e["reasons"]),
    "subsidy.ClaimWithdrawn.v1": lambda e: "申请人撤回",
    "subsidy.ClaimHeld.v1": lambda e: f"暂停：{HOLDS.get(e['reason'], e['reason'])}，等待{e['waiting_for']}",
    "subsidy.HoldLifted.v1": lambda e: f"恢复：{HOLDS.get(e['reason'], e['reason'])}已解除",
    "subsidy.ClaimNoticed.v1": lambda e: f"列入公示，至 {e['last_day']}",
    "subsidy.NoticeEnded.v1": lambda e: "公示期满",
    "subsidy.NoticePublished.v1": lambda e: f"发布公示，至 {e['last_day']}",
    "subsidy.NoticeExtended.v1": lambda e: f"公示延长至 {e['last_day']}",
    "subsidy.EntryRemoved.v1": lambda e: "移出公示名单",
    "subsidy.ObjectionEscalated.v1": lambda e: f"异议逾期未处理（期限 {e['settle_by']}），报{e['escalated_to']}督办",
    "subsidy.NoticeDrafted.v1": lambda e: f"编制公示名单，共 {len(e['entries'])} 人",
    "subsidy.ObjectionRaised.v1": lambda e: f"收到异议，须于 {e['settle_by']} 前处理",
    "subsidy.ObjectionDecided.v1": lambda e: "异议成立" if e["upheld"] else "异议不成立",
    "subsidy.PaymentBatchMade.v1": lambda e: f"制作发放批次，{e['count']} 笔共 {e['total']} 元",
    "subsidy.PaymentBatchReleased.v1": lambda e: "第二人放行发放批次",
    "subsidy.PaymentBatchCancelled.v1": lambda e: "撤销未放行的批次",
    "subsidy.PaymentReserved.v1": lambda e: "列入发放批次",
    "subsidy.PaymentDropped.v1": lambda e: "放行时因暂停移出批次",
    "subsidy.PaymentOrdered.v1": lambda e: f"向银行发出付款指令（第 {e['attempt']} 次）",
    "subsidy.ClaimPaid.v1": lambda e: f"补贴 {e['amount']} 元到账（{e['paid_on']}）",
    "subsidy.PaymentReturned.v1": lambda e: f"退票：{e['reason']}",
    "subsidy.PaymentUnknown.v1": lambda e: "银行尚不能确认结果",
    "subsidy.OutcomeAttested.v1": lambda e: _attested(e),
    "subsidy.CommitmentCarried.v1": lambda e: f"承诺 {e['amount']} 元结转至预算 {e['to_line']}",
    "subsidy.ClaimRecovering.v1": lambda e: f"开始追回 {e['amount']} 元（{e['recovering_on']}）",
    "subsidy.ClaimRecovered.v1": lambda e: "款项已全部追回" + ("，名额恢复" if e["frees_place"] else ""),
    "subsidy.RecoveryWaived.v1": lambda e: "未追回部分经两人核销，申请仍为已发放",
    "subsidy.ResultsImported.v1": lambda e: f"登记银行结果，共 {len(e['lines'])} 行",
    "subsidy.OutcomesAsked.v1": lambda e: f"向银行查询 {len(e['orders'])} 笔未明结果",
    "subsidy.ResultLinesCleared.v1": lambda e: f"核销银行结果中的 {len(e['lines'])} 行差异（依据 {e['document']}）",
    "subsidy.PersonalDataDisclosed.v1": lambda e: "出具发放文件，调阅户名和账号（已留痕）",
    "subsidy.RecoverySuggested.v1": lambda e: f"证书撤销，提示追回 {e['amount']} 元，由人决定",
    "subsidy.RecoveryProposed.v1": lambda e: f"提出追回 {e['amount']} 元（依据 {e['document']}）",
    "subsidy.RecoveryConfirmed.v1": lambda e: "第二人确认追回",
    "subsidy.RecoveryDismissed.v1": lambda e: f"经核实不予追回（依据 {e['document']}）",
    "subsidy.InstalmentReceived.v1": lambda e: f"收到追回款 {e['amount']} 元（{e['received_on']}）",
    "subsidy.RecoverySettled.v1": lambda e: "追回款全部到账",
    "subsidy.WriteOffProposed.v1": lambda e: "提出核销未追回部分",
    "subsidy.RecoveryWrittenOff.v1": lambda e: f"第二人同意核销 {e['amount']} 元",
    "subsidy.BudgetSet.v1": lambda e: f"设定 {e['line']} 预算 {e['amount']} 元",
    "subsidy.BudgetYearBegun.v1": lambda e: f"预算 {e['line']} 进入年度",
    "subsidy.CarryOverProposed.v1": lambda e: f"提出将 {e['line']} 未发放承诺结转至 {e['to_line']}",
    "subsidy.CarryOverConfirmed.v1": lambda e: "第二人确认年终结转",
    "notify.MessageSent.v1": lambda e: f"通知申请人：{MESSAGES.get(e['template'].partition('.')[0], e['template'])}",
    "notify.MessageRead.v1": lambda e: "通知已读",
}


def _district(code: str) -> str:
    return District(code).zh if code in list(District) else code


def _attested(event: Event) -> str:
    outcome = "已到账" if event["outcome"] == "paid" else "已退回"
    evidence = "银行对账单" if event["evidence"] == "statement" else "书面凭证"
    return f"凭{evidence} {event['document']} 认定{outcome}"


def _submitted(event: Event) -> str:
    return f"提交申请，由{_district(event['accepting_district'])}受理，{_district(event['review_district'])}审核"


def _screened(event: Event) -> str:
    failed = [result["text"] for result in event["results"] if result.get("passed") is False]
    pending = [result["text"] for result in event["results"] if result.get("passed") is None]
    if failed:
        return f"按政策 {event['policy_version']} 初筛，不符合：" + "；".join(failed)
    return f"按政策 {event['policy_version']} 初筛" + (f"，待核实：{'；'.join(pending)}" if pending else "，全部符合")


def phrase(record: Record) -> str:
    """What happened, in Chinese; the type's own name where there is no phrase yet."""
    told = PHRASES.get(record.type)
    return told(msgspec.json.decode(record.payload)) if told is not None else record.type


def actor_of(record: Record) -> str:
    """Who did it, without any name."""
    if record.actor.client.startswith("process:"):
        return "系统"
    return record.actor.user or record.actor.client


class Line(msgspec.Struct, frozen=True):
    """`at` is the business clock in Asia/Shanghai."""

    at: str
    service: str
    what: str
    who: str
    type: str
    stream: str
    version: int
    position: int
    leaf: str


def line(item: Located) -> Line:
    record = item.record
    return Line(
        at=record.occurred_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M"),
        service=SERVICES.get(item.service, item.service),
        what=phrase(record),
        who=actor_of(record),
        type=record.type,
        stream=record.stream,
        version=record.version,
        position=item.position,
        leaf=item.leaf,
    )
