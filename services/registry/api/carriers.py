"""`/v1/carriers`: who may recommend founders to a whitelist."""

from fastapi import Request
from fastapi.responses import Response

from services.registry.api.fields import CarrierPath, Filter, PartyCode, facets
from services.registry.domain.carrier import CARRIER, CODE, CarrierKind, RegisterCarrier, decide
from services.registry.projections.lists import CarrierShown
from services.registry.projections.lists import carrier as shown
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.ids import CarrierId, new_id, uuid7
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import District, Name
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import Body, router
from shared.web.signing.declared import unsigned

api = router("创业服务载体")

READERS = ("app", "carrier:*", "bank:*", "district:*/*", "city", "auditor", "ops", "service:*")


class NewCarrier(Body):
    code: PartyCode
    name: Name
    kind: CarrierKind
    district: District


@api.post("/carriers", status_code=201, summary="登记创业服务载体")
@allow("city")
@carries_out(CarrierShown)
async def register(request: Request, body: NewCarrier) -> Response:
    carrier_id = CarrierId(new_id(CARRIER.prefix, uuid7()))

    def handle(work: Work) -> Answer | Rejection:
        registration = RegisterCarrier(
            carrier_id, body.code, body.name, body.kind, body.district, work.holder(CODE, body.code)
        )
        decision = decide(registration, work.state(CARRIER, carrier_id))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, carrier_id, shown(carrier_id, work.append(CARRIER, carrier_id, decision)), 201)

    return await command(request, Needs(unique=((CODE, body.code),)), handle, location="/v1/carriers/{id}")


@api.get("/carriers", summary="创业服务载体列表")
@allow(*READERS)
@unsigned("公开的登记信息，不含个人信息")
@lists(CarrierShown)
async def listed(request: Request, district: Filter = None, kind: Filter = None, code: Filter = None) -> Response:
    return await page(request, "carrier", facets(district=district, kind=kind, code=code))


@api.get("/carriers/{carrier_id}", summary="创业服务载体")
@allow(*READERS)
@unsigned("公开的登记信息，不含个人信息")
@shows(CarrierShown)
async def read(request: Request, carrier_id: CarrierPath) -> Response:
    work = await store_of(request).look(Needs(streams=(carrier_id,)))
    if not work.exists(carrier_id):
        raise of_rejection(unknown("载体"))
    found = answer(work, carrier_id, shown(carrier_id, work.state(CARRIER, carrier_id)))
    return current(request, found)
