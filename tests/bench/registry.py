"""Registry's part in a benchmark of subsidy: it gives tokens, and every account belongs to its claimant."""

from fastapi import FastAPI

app = FastAPI()


@app.post("/oauth2/token")
async def token() -> dict[str, object]:
    return {"access_token": "bench", "token_type": "Bearer", "expires_in": 3600}


@app.post("/v1/persons/{person_id}:match")
async def match(person_id: str) -> dict[str, object]:
    return {"person_id": person_id, "matches": True}
