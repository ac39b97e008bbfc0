"""`/v1/templates`: the texts that messages are made of."""

import msgspec
from fastapi.responses import Response

from services.notify.domain.template import Template
from services.notify.templates import catalogue
from shared.web.answers import Page, gives
from shared.web.caller import allow
from shared.web.routes import router

api = router("模板")


@api.get("/templates", summary="消息模板")
@allow("app", "city", "ops", "auditor")
@gives(Page[Template])
async def listed() -> Response:
    body = Page(tuple(catalogue().templates.values()), None)
    return Response(msgspec.json.encode(body), media_type="application/json")
