"""`/v1/banks`: the partner banks."""

from fastapi import Request
from fastapi.responses import Response

from services.registry.api.fields import BankPath, Filter, PartyCode, facets
from services.registry.domain.bank import BANK, CODE, RegisterBank, decide
from services.registry.projections.lists import BankShown
from services.registry.projections.lists import bank as shown
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.ids import BankId, new_id, uuid7
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import Name
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import Body, router
from shared.web.signing.declared import unsigned

api = router("银行")

READERS = ("app", "carrier:*", "bank:*", "district:*/*", "city", "auditor", "ops", "service:*")


class NewBank(Body):
    code: PartyCode
    name: Name


@api.post("/banks", status_code=201, summary="登记合作银行")
@allow("city")
@carries_out(BankShown)
async def register(request: Request, body: NewBank) -> Response:
    bank_id = BankId(new_id(BANK.prefix, uuid7()))

    def handle(work: Work) -> Answer | Rejection:
        registration = RegisterBank(bank_id, body.code, body.name, work.holder(CODE, body.code))
        decision = decide(registration, work.state(BANK, bank_id))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, bank_id, shown(bank_id, work.append(BANK, bank_id, decision)), 201)

    return await command(request, Needs(unique=((CODE, body.code),)), handle, location="/v1/banks/{id}")


@api.get("/banks", summary="合作银行列表")
@allow(*READERS)
@unsigned("公开的登记信息，不含个人信息")
@lists(BankShown)
async def listed(request: Request, code: Filter = None) -> Response:
    return await page(request, "bank", facets(code=code))


@api.get("/banks/{bank_id}", summary="合作银行")
@allow(*READERS)
@unsigned("公开的登记信息，不含个人信息")
@shows(BankShown)
async def read(request: Request, bank_id: BankPath) -> Response:
    work = await store_of(request).look(Needs(streams=(bank_id,)))
    if not work.exists(bank_id):
        raise of_rejection(unknown("银行"))
    found = answer(work, bank_id, shown(bank_id, work.state(BANK, bank_id)))
    return current(request, found)
