"""`/v1/templates`: the texts that messages are made of."""

import msgspec
from fastapi.responses import Response

from services.notify.templates import catalogue
from shared.web.caller import allow
from shared.web.routes import router

api = router("模板")


@api.get("/templates", summary="消息模板")
@allow("app", "city", "ops", "auditor")
async def listed() -> Response:
    body = {"items": list(catalogue().templates.values()), "next": None}
    return Response(msgspec.json.encode(body), media_type="application/json")
