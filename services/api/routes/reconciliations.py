"""The comparison with the figures of a platform."""

from fastapi import APIRouter

from services.api.context import Context
from services.api.routes.reports import Reader
from services.api.schemas.reconciliations import ReconciliationBody, ReconciliationCreate
from services.api.use_cases.reconcile import reconcile_figures
from shared.errors import Overloaded
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute

router = APIRouter(route_class=UniqueNamesRoute, tags=["reconciliations"])


@router.post("/v1/reconciliations", responses=answers(Overloaded))
async def reconcile(context: Context, key: Reader, body: ReconciliationCreate) -> ReconciliationBody:
    """Compare a platform's own figures of downtime with Uptill's, store by store.

    Nothing is stored. Each figure gets a verdict, our bounds, and what may explain a difference.
    """
    figures = [each.to_figure() for each in body.figures]
    found = await reconcile_figures(context, key, figures, body.to_terms())
    return ReconciliationBody.of_figures(body.policy, found)
