"""Forms of values that a type cannot express, as patterns, and what each means to a reader."""

from shared.uptime.policy import POLICIES as KNOWN_POLICIES

RATE = "^[1-9][0-9]*/(second|minute|hour)$"
AUTO_OR_COUNT = "^(auto|[0-9]{1,7})$"
LEVELS = "^(DEBUG|INFO|WARNING|ERROR)$"
_POLICY = "|".join(KNOWN_POLICIES)
POLICIES = f"^(({_POLICY})(,({_POLICY}))*)?$"
MAILBOX = r"^([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+)?$"
SCHEMES = "^([a-z]+(,[a-z]+)*)?$"
FORMS = {
    MAILBOX: "an e-mail address such as uptill@example.com",
    SCHEMES: "names of schemes, separated by commas: slack,ntfys",
    POLICIES: f"names of policies, separated by commas: {', '.join(KNOWN_POLICIES)}",
    RATE: "a rate such as 100/second, 100/minute or 100/hour",
    AUTO_OR_COUNT: "auto or a whole number",
    LEVELS: "DEBUG, INFO, WARNING or ERROR",
}
