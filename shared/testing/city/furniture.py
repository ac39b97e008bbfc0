"""What stands in the demo city before anyone moves in: the same for every run with one seed."""

from shared.testing.city.numbers import Numbers
from shared.testing.city.shape import (
    Bank,
    Carrier,
    CarrierKind,
    EvaluationBody,
    Institution,
    InstitutionKind,
    Project,
    Stage,
)
from shared.values.districts import District

DISTRICTS: tuple[District, ...] = tuple(District)
OUTSIDE_AREA = "320500"

PROJECTS = (
    Project("demo-awareness", "创业意识启蒙", Stage.AWARENESS, 16),
    Project("demo-preparation", "产生你的企业想法与创办", Stage.PREPARATION, 56),
    Project("demo-start-up-1", "改善你的企业·市场营销", Stage.START_UP, 40),
    Project("demo-start-up-2", "改善你的企业·财务管理", Stage.START_UP, 40),
    Project("demo-start-up-3", "改善你的企业·人力资源", Stage.START_UP, 40),
    Project("demo-start-up-4", "网络创业运营", Stage.START_UP, 48),
    Project("demo-start-up-5", "初创企业合规经营", Stage.START_UP, 32),
    Project("demo-growth", "扩大你的企业", Stage.GROWTH, 72),
)

_SCHOOL_NAMES = {
    InstitutionKind.VOCATIONAL_SCHOOL: "{}示范职业技能培训学校",
    InstitutionKind.COLLEGE: "{}示范职业技术学院",
    InstitutionKind.INCUBATION_BASE: "{}示范创业孵化基地",
}


def institutions(numbers: Numbers, first: int) -> tuple[Institution, ...]:
    """One training institution per district, the three kinds by turns."""
    kinds = tuple(InstitutionKind)
    return tuple(
        Institution(
            code=f"demo-{n + 1}",
            name=_SCHOOL_NAMES[kinds[n % 3]].format(district.zh),
            credit_code=numbers.credit_code(district, first + n, "52"),
            kind=kinds[n % 3],
            district=district,
        )
        for n, district in enumerate(DISTRICTS)
    )


def evaluation_bodies(numbers: Numbers, first: int) -> tuple[EvaluationBody, ...]:
    """Two evaluation bodies, so that one may be replaced by the other."""
    return tuple(
        EvaluationBody(f"demo-{n + 1}", name, numbers.credit_code("310101", first + n, "52"))
        for n, name in enumerate(("申评示范创业培训评价中心", "浦衡示范技能评价中心"))
    )


def carriers(numbers: Numbers, first: int) -> tuple[Carrier, ...]:
    """One carrier of each of the five kinds."""
    names = (
        (CarrierKind.DISTRICT, "浦东新区就业促进中心（示范）", District.PUDONG),
        (CarrierKind.INCUBATION_BASE, "杨浦示范创业孵化基地", District.YANGPU),
        (CarrierKind.COLLEGE_STATION, "沪江示范大学创业指导站", District.MINHANG),
        (CarrierKind.MASS_ORGANISATION, "静安示范青年创业联合会", District.JINGAN),
        (CarrierKind.INDUSTRY_ASSOCIATION, "上海示范软件行业协会", District.XUHUI),
    )
    return tuple(
        Carrier(f"demo-{n + 1}", name, numbers.credit_code(district, first + n, "51"), kind, district)
        for n, (kind, name, district) in enumerate(names)
    )


def banks(numbers: Numbers, first: int) -> tuple[Bank, ...]:
    """Three partner banks."""
    names = (
        ("demo-a", "申江示范银行", "622911"),
        ("demo-b", "浦汇示范银行", "623522"),
        ("demo-c", "沪农示范银行", "621933"),
    )
    return tuple(
        Bank(code, name, numbers.credit_code("310115", first + n), issuer)
        for n, (code, name, issuer) in enumerate(names)
    )
