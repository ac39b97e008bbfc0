"""`/verify`: anyone may ask whether a certificate holds; the answer names no person.   (三(六) 流向清晰)"""

from datetime import date

import msgspec
from fastapi import Request
from fastapi.responses import Response

from services.training.api.certificates import find
from services.training.api.fields import NumberPath
from services.training.domain.certificate import CERTIFICATE
from services.training.domain.project import PROJECT
from shared.eventstore.needs import Needs
from shared.web.answers import gives
from shared.web.caller import PUBLIC, allow
from shared.web.command import store_of
from shared.web.routes import router

api = router("核验", prefix="")


class Verification(msgspec.Struct, frozen=True):
    number: str
    kind: str
    stage: str
    project_name: str
    issued_on: date
    status: str


@api.get("/verify/{number}", summary="核验证书真伪（公开）", operation_id="verifyCertificate")
@allow(PUBLIC)
@gives(Verification)
async def verify(request: Request, number: NumberPath) -> Response:
    numbered = await find(request, number)
    work = await store_of(request).look(Needs(streams=(numbered.certificate_id, numbered.project_id)))
    certificate = work.state(CERTIFICATE, numbered.certificate_id)
    body = Verification(
        certificate.number,
        certificate.kind,
        certificate.stage,
        work.state(PROJECT, numbered.project_id).name,
        certificate.issued_on,
        certificate.status,
    )
    return Response(msgspec.json.encode(body), media_type="application/json")
