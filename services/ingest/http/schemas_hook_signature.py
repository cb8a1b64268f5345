"""The signature of a hook's document, checked before it is stored."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from services.ingest.hooks.places import HEADER_NAME
from services.ingest.hooks.signatures import make_scheme
from shared.http.bodies import RequestBody

_MAX_WORD = 200
_SIGNED_WITH_TIME = (
    "timestamp_header is set, but signed does not have {timestamp}, so anyone could change it; add it"
)
# The fields of a signature that each scheme reads.
_READ: Final[Mapping[str, frozenset[str]]] = {
    "standard_webhooks": frozenset({"tolerance_s"}),
    "hmac": frozenset(
        {"header", "prefix", "algorithm", "encoding", "signed", "timestamp_header", "id_header"}
    ),
    "token": frozenset({"header", "prefix"}),
    "api_key": frozenset(),
}
_OF_SIGNED_TIME: Final = frozenset({"timestamp_unit", "tolerance_s"})
HeaderName = Annotated[str, Field(pattern=f"^{HEADER_NAME}$")]


class HookSignatureBody(RequestBody):
    """How callers prove who they are. It is stored and shown with the fields that its scheme reads."""

    scheme: Literal["standard_webhooks", "hmac", "token", "api_key"]
    header: HeaderName | None = Field(
        default=None,
        description="Of `hmac` and `token`: the header with the signature or the token.",
        examples=[None],
    )
    prefix: str = Field(default="", max_length=_MAX_WORD, description="What stands before it.", examples=[""])
    algorithm: Literal["sha256", "sha512", "sha1"] = Field(default="sha256", description="Of `hmac`.")
    encoding: Literal["hex", "base64"] = Field(default="hex", description="Of `hmac`.")
    signed: str = Field(
        default="{body}",
        max_length=500,
        description="Of `hmac`: what is signed. `{body}` once, and `{timestamp}`, `{id}` or `{header:NAME}` around it.",
        examples=["{body}"],
    )
    timestamp_header: HeaderName | None = Field(
        default=None, description="Of `hmac`: the header with the signed time.", examples=[None]
    )
    timestamp_unit: Literal["s", "ms"] = "s"
    id_header: HeaderName | None = Field(
        default=None,
        description="Of `hmac`: the header with an id that is the same when a call is repeated.",
        examples=[None],
    )
    tolerance_s: int = Field(
        default=300, ge=1, le=86_400, strict=True, description="How far a signed time may be from now."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "HookSignatureBody":
        if self.header is None and self.scheme in {"hmac", "token"}:
            raise ValueError(f"header is missing: name the header that {self.scheme} reads")
        if self.header is not None and self.scheme not in {"hmac", "token"}:
            raise ValueError(f"{self.scheme} reads no header of its own: leave header out")
        if self.timestamp_header and "{timestamp}" not in self.signed:
            raise ValueError(_SIGNED_WITH_TIME)
        try:
            make_scheme(self.model_dump())
        except ValueError as error:
            raise ValueError(f"signed {error}") from None
        return self

    @property
    def read_fields(self) -> frozenset[str]:
        """The fields that have an effect, besides `scheme`."""
        has_time = self.scheme == "hmac" and self.timestamp_header is not None
        return _READ[self.scheme] | (_OF_SIGNED_TIME if has_time else frozenset())

    def find_unread(self) -> str | None:
        """Return a given field that would have no effect. Null is accepted, because it says nothing."""
        unread = self.model_fields_set - self.read_fields - {"scheme"}
        given = (name for name in type(self).model_fields if name in unread)
        return next((name for name in given if getattr(self, name) is not None), None)

    @model_serializer(mode="wrap")
    def _leave_out_unread(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        shown = self.read_fields | {"scheme"}
        return {name: value for name, value in serialize(self).items() if name in shown}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> Any:
        """Describe an answer like a request: the function above says nothing about its fields."""
        model = {name: value for name, value in core_schema["schema"].items() if name != "serialization"}
        return handler({**core_schema, "schema": model})
