"""The yardstick of the calls: one FastAPI route that answers a constant."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/bare")
async def bare() -> dict[str, str]:
    return {"state": "succeeded"}
