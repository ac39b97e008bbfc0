"""The peer: the least that FastAPI and asyncpg can do. One row in, or one row out by its primary key."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI
from pydantic import BaseModel


class Item(BaseModel):
    """The same body that a claim has, so that both read as much."""

    programme: str
    person_id: str
    organisation_id: str
    certificate_no: str
    payee_account: dict[str, str]
    channel: str
    accepting_district: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BARE_DSN"], min_size=10, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/items", status_code=201)
async def create(item: Item) -> dict[str, str]:
    id = await app.state.pool.fetchval(
        "insert into bare_item (id, person, certificate, body) values (gen_random_uuid()::text, $1, $2, $3)"
        " returning id",
        item.person_id,
        item.certificate_no,
        item.model_dump_json(),
    )
    return {"id": id}


@app.get("/rows/{key}")
async def read(key: str) -> dict[str, str]:
    row = await app.state.pool.fetchrow("select key, value from bare_row where key = $1", key)
    return {"key": row["key"], "value": row["value"]}
