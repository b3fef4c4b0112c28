"""Why a person's consent or a registration cannot go on. Errors for OAuth clients are RFC 6749's instead."""

from __future__ import annotations

from http import HTTPStatus

from app.problems import Problem


class RequestExpired(Problem):
    """The pushed authorization request is unknown, used or older than its lifetime."""

    status, code = HTTPStatus.GONE, "authorization-request-expired"


class AnotherEnterprise(Problem):
    """The platform asked for an enterprise that is not the one of the logged-in person."""

    status, code = HTTPStatus.FORBIDDEN, "another-enterprise"


class NoProductCertificate(Problem):
    """The enterprise has no good certificate for the product yet."""

    status, code = HTTPStatus.CONFLICT, "no-product-certificate"


class ApplicationDisabled(Problem):
    """The application was switched off."""

    status, code = HTTPStatus.CONFLICT, "application-disabled"


class NoRepresentative(Problem):
    """The bank cannot compare a face with the enterprise's legal representative."""

    status, code = HTTPStatus.CONFLICT, "no-representative"


class PlatformNotConfirmed(Problem):
    """The platform was proposed, and no operator has confirmed it; or one has rejected it."""

    status, code = HTTPStatus.CONFLICT, "platform-not-confirmed"


TEXTS = {
    "platform-not-confirmed": "该平台的登记尚未经银行人员复核通过。",
    "authorization-request-expired": "授权请求已过期或已处理，请回到平台重新发起。",
    "another-enterprise": "平台请求的企业与您所属的企业不一致。",
    "no-product-certificate": "贵企业尚无该产品的有效证书，请先申请产品证书。",
    "application-disabled": "该应用已停用，无法授权。",
    "no-representative": "银行没有贵企业法定代表人的留存照片，无法进行人脸核验，请联系银行。",
}
