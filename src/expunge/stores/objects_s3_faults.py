"""S3's faults in Expunge's words. Its own texts are dropped: they quote keys, and keys hold identifiers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound

from expunge.errors import Conflict, Drift, Full, Refused, StoreError, Unavailable

GONE = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "404", "NotFound"})
"""Codes which say that what was to be deleted or read is not there."""

_BY_CODE: dict[str, type[StoreError]] = {
    "NoSuchBucket": Drift,
    "PermanentRedirect": Drift,
    "AuthorizationHeaderMalformed": Drift,  # the bucket lies in another region than the policy says
    "OperationAborted": Conflict,
    "ConditionalRequestConflict": Conflict,
    "PreconditionFailed": Conflict,
    "RequestTimeout": Unavailable,
    "RequestTimeTooSkewed": Refused,
    "SlowDown": Unavailable,
    "InternalError": Unavailable,
    "ServiceUnavailable": Unavailable,
    "XMinioStorageFull": Full,
    "InsufficientStorage": Full,
    "QuotaExceeded": Full,
}
_WORDS: dict[type[StoreError], str] = {
    Drift: "there is no such bucket there; see the store's url and region in the policy",
    Conflict: "another write came between",
    Unavailable: "the service does not answer as it should",
    Full: "the service has no space left",
    Refused: "the service refused {action}: see our grants, the bucket's policy and its object lock",
}


@contextmanager
def faults(where: str, action: str) -> Iterator[None]:
    """Translate the SDK's faults; ``action`` is the grant that the requests inside need.

    Raises:
        Drift, Conflict, Unavailable, Full, Refused: as the answer's code, else its status, says.
    """
    try:
        yield
    except ClientError as fault:
        status = fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise fault_of(code_of(fault), status, where, action) from None
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound):
        raise Refused("there are no credentials for the service; see the profile or the AWS environment", where=where) from None
    except HTTPClientError:
        raise Unavailable("the service can't be reached", where=where) from None
    except BotoCoreError as fault:
        raise Unavailable(f"can not be reached now ({type(fault).__name__})", where=where) from None


def code_of(fault: ClientError) -> str:
    """The answer's error code."""
    return str(fault.response.get("Error", {}).get("Code", ""))


def fault_of(code: str, status: int, where: str, action: str) -> StoreError:
    """What to raise for an answer's code and HTTP status (0 if there is none)."""
    kind = _BY_CODE.get(code) or _by_status(status)
    said = f" ({code})" if code.isalnum() else ""
    return kind(_WORDS[kind].format(action=action) + said, where=where)


def hush() -> None:
    """Keep the SDK's debug log shut, whatever the program's own level is: it prints whole requests, keys included."""
    for name in ("boto3", "botocore", "urllib3", "s3transfer"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


def _by_status(status: int) -> type[StoreError]:
    if status in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED):
        return Conflict
    if status == HTTPStatus.INSUFFICIENT_STORAGE:
        return Full
    return Unavailable if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Refused
