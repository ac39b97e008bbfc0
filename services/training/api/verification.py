"""`/verify`: anyone may ask whether a certificate holds; the answer names no person.   (三(六) 流向清晰)"""

import msgspec
from fastapi import Request
from fastapi.responses import Response

from services.training.api.certificates import find
from services.training.api.fields import NumberPath
from services.training.domain.certificate import CERTIFICATE
from services.training.domain.project import PROJECT
from shared.eventstore.needs import Needs
from shared.web.caller import PUBLIC, allow
from shared.web.command import store_of
from shared.web.routes import router

api = router("核验", prefix="")


@api.get("/verify/{number}", summary="核验证书真伪（公开）")
@allow(PUBLIC)
async def verify(request: Request, number: NumberPath) -> Response:
    numbered = await find(request, number)
    work = await store_of(request).look(Needs(streams=(numbered.certificate_id, numbered.project_id)))
    certificate = work.state(CERTIFICATE, numbered.certificate_id)
    body = {
        "number": certificate.number,
        "kind": certificate.kind,
        "stage": certificate.stage,
        "project_name": work.state(PROJECT, numbered.project_id).name,
        "issued_on": certificate.issued_on,
        "status": certificate.status,
    }
    return Response(msgspec.json.encode(body), media_type="application/json")
