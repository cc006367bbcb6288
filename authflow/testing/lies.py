"""Every lie that the development provider knows by name, each with the sentence that says what is wrong.

    with provider.lie(Lie.ID_TOKEN_OF_ANOTHER_ISSUER):
        manager.login("acme")                            # raises LoginFailed, check="iss"

Rule 1: an otherwise honest provider tells one lie. So what a client refuses, it refuses for that.
Rule 2: a lie is about one thing that is sent (`about`, a name that `Tamper` knows) and changes nothing else.
"""

from __future__ import annotations

from enum import Enum
from gzip import compress
from itertools import repeat

from .changes import (
    DAY,
    ELSEWHERE,
    STRANGER,
    Change,
    answered,
    by_stranger,
    changed,
    claims_of,
    client_secret,
    encrypted,
    forged,
    header_of,
    leading_to,
    left_out,
    more_keys,
    own_key,
    public_key_as_secret,
    raw_members,
    redirected,
    said_twice,
    signed_otherwise,
    strangers_first,
    unlabelled,
)
from .forgery import der_of, forge, strangers_key, unsigned

MARKUP = "<script>alert(1)</script>\r\nset-cookie: a=b\x1b[2J" + "x" * 2000
NEVER_ENDING = 1024  # parts of 64 KiB


class Lie(Enum):
    """A misbehaviour: `about` names what is lied about, `sentence` says how."""

    def __init__(self, change: Change, sentence: str) -> None:
        self.about = change.about
        self.tell = change.tell
        self.sentence = sentence

    # fmt: off
    # ── the callback ──
    CALLBACK_WITHOUT_STATE = left_out("callback_params", "state"), "The callback has no state."
    CALLBACK_WITH_ANOTHER_STATE = changed("callback_params", state="A" * 43), "The callback has a state nobody made."
    CALLBACK_WITH_TWO_STATES = said_twice("state", "A" * 43), "The callback has two states."
    CALLBACK_WITH_TWO_CODES = said_twice("code", "another-code"), "The callback has two codes."
    CALLBACK_WITH_TWO_ISSUERS = said_twice("iss", ELSEWHERE), "The callback names two issuers."
    CALLBACK_WITHOUT_CODE = left_out("callback_params", "code"), "The callback has neither code nor error."
    CALLBACK_WITH_CODE_AND_ERROR = (
        changed("callback_params", error="server_error"), "The callback has a code and an error.")
    CALLBACK_WITHOUT_ISSUER = (
        left_out("callback_params", "iss"), "The callback does not say whose it is, which the metadata promise.")
    CALLBACK_OF_ANOTHER_ISSUER = changed("callback_params", iss=ELSEWHERE), "The callback is another issuer's."
    CALLBACK_WITH_TOKENS = (
        changed("callback_params", access_token="planted-access-token", id_token="planted.id.token"),
        "The callback brings tokens that nobody asked for.")
    CALLBACK_ERROR_WITH_MARKUP = (
        Change("callback_params", lambda provider, honest: {
            "state": honest["state"], "iss": honest["iss"], "error": "server_error",
            "error_description": MARKUP, "error_uri": "javascript:alert(1)"}),
        "The callback is an error whose description holds markup, line breaks and a terminal's commands.")

    # ── the ID token: from whom, about whom, for whom ──
    ID_TOKEN_WITHOUT_ISSUER = left_out("id_token_claims", "iss"), "The ID token does not say whose it is."
    ID_TOKEN_OF_ANOTHER_ISSUER = claims_of(iss=ELSEWHERE), "The ID token is another issuer's."
    ID_TOKEN_ISSUER_WITH_A_SLASH = (
        claims_of(iss=lambda provider, honest: honest["iss"] + "/"), "The ID token's issuer has a slash too many.")
    ID_TOKEN_ISSUER_GOES_ON = (
        claims_of(iss=lambda provider, honest: honest["iss"] + ".evil.example"), "The ID token's issuer begins well.")
    ID_TOKEN_ISSUER_IS_CUT = (
        claims_of(iss=lambda provider, honest: honest["iss"][:-1]), "The ID token's issuer lacks its last letter.")
    ID_TOKEN_WITHOUT_SUBJECT = left_out("id_token_claims", "sub"), "The ID token does not say who signed in."
    ID_TOKEN_SUBJECT_IS_EMPTY = claims_of(sub=""), "The ID token's sub is empty."
    ID_TOKEN_SUBJECT_IS_A_NUMBER = claims_of(sub=12345), "The ID token's sub is a number."
    ID_TOKEN_SUBJECT_IS_TOO_LONG = claims_of(sub="s" * 300), "The ID token's sub has 300 characters."
    ID_TOKEN_OF_SOMEBODY_ELSE = claims_of(sub=STRANGER), "The ID token is about somebody else."
    ID_TOKEN_WITHOUT_AUDIENCE = left_out("id_token_claims", "aud"), "The ID token does not say whom it is for."
    ID_TOKEN_FOR_ANOTHER_CLIENT = claims_of(aud="another-client"), "The ID token is for another client."
    ID_TOKEN_FOR_STRANGERS_TOO = (
        claims_of(aud=lambda provider, honest: [honest["aud"], "another-client"]),
        "The ID token is for this client and another, and does not say who asked.")
    ID_TOKEN_ASKED_BY_ANOTHER_CLIENT = claims_of(azp="another-client"), "The ID token was issued to another client."

    # ── the ID token: when, and for which attempt ──
    ID_TOKEN_WITHOUT_EXPIRY = left_out("id_token_claims", "exp"), "The ID token does not expire."
    ID_TOKEN_EXPIRED = (
        claims_of(exp=lambda provider, honest: honest["iat"] - DAY), "The ID token expired a day ago.")
    ID_TOKEN_EXPIRY_IS_A_TEXT = (
        claims_of(exp=lambda provider, honest: str(honest["exp"])), "The ID token's exp is a text.")
    ID_TOKEN_EXPIRY_IS_TRUE = claims_of(exp=True), "The ID token's exp is true."
    ID_TOKEN_EXPIRES_NEVER = claims_of(exp=1e300), "The ID token's exp lies beyond all time."
    ID_TOKEN_WITHOUT_IAT = left_out("id_token_claims", "iat"), "The ID token does not say when it was issued."
    ID_TOKEN_OF_THE_FUTURE = (
        claims_of(iat=lambda provider, honest: honest["iat"] + DAY), "The ID token is issued tomorrow.")
    ID_TOKEN_OF_LAST_WEEK = (
        claims_of(iat=lambda provider, honest: honest["iat"] - 7 * DAY), "The ID token was issued a week ago.")
    ID_TOKEN_NOT_YET_VALID = (
        claims_of(nbf=lambda provider, honest: honest["iat"] + DAY), "The ID token is valid from tomorrow on.")
    ID_TOKEN_WITHOUT_NONCE = left_out("id_token_claims", "nonce"), "The ID token has no nonce."
    ID_TOKEN_OF_ANOTHER_ATTEMPT = claims_of(nonce="a-nonce-of-another-attempt"), "The ID token has another nonce."
    ID_TOKEN_OF_AN_OLD_SIGN_IN = (
        claims_of(auth_time=lambda provider, honest: honest["iat"] - DAY), "The human signed in a day ago.")
    ID_TOKEN_WITHOUT_AUTH_TIME = (
        left_out("id_token_claims", "auth_time"), "The ID token does not say when the human signed in.")
    ID_TOKEN_OF_A_WEAKER_SIGN_IN = claims_of(acr="weak"), "The human signed in less strongly than was asked."

    # ── the ID token: what it came with ──
    ID_TOKEN_WITH_A_WRONG_AT_HASH = claims_of(at_hash="A" * 22), "The ID token's at_hash is another access token's."
    ID_TOKEN_WITHOUT_AT_HASH = left_out("id_token_claims", "at_hash"), "The ID token has no at_hash."
    ID_TOKEN_AT_HASH_IS_A_NUMBER = claims_of(at_hash=1), "The ID token's at_hash is a number."
    ID_TOKEN_WITH_A_WRONG_C_HASH = claims_of(c_hash="A" * 22), "The ID token's c_hash is another code's."
    ID_TOKEN_WITHOUT_C_HASH = left_out("id_token_claims", "c_hash"), "The ID token has no c_hash."

    # ── the ID token: how it is signed ──
    ID_TOKEN_UNSIGNED = signed_otherwise(lambda provider: unsigned, alg="none"), "The ID token is not signed."
    ID_TOKEN_UNSIGNED_IN_CAPITALS = (
        signed_otherwise(lambda provider: unsigned, alg="nOnE"), "The ID token is not signed, in odd letters.")
    ID_TOKEN_WITHOUT_ALGORITHM = (
        forged(lambda provider, header, claims: forge({"typ": "JWT"}, claims, provider.signature)),
        "The ID token does not say how it is signed.")
    ID_TOKEN_ALGORITHM_IS_EMPTY = header_of(alg=""), "The ID token's alg is empty."
    ID_TOKEN_ALGORITHM_IS_A_LIST = header_of(alg=["ES256", "none"]), "The ID token's alg is a list."
    ID_TOKEN_SIGNED_WITH_THE_PUBLIC_KEY = (
        signed_otherwise(public_key_as_secret, alg="HS256"),
        "The ID token is signed with HS256 and the provider's public key as the secret.")
    ID_TOKEN_SIGNED_WITH_THE_CLIENT_SECRET = (
        signed_otherwise(client_secret, alg="HS256"), "The ID token is signed with HS256, which was not agreed.")
    ID_TOKEN_SIGNED_BY_A_STRANGER = (
        signed_otherwise(by_stranger("ES256"), alg="ES256"), "The ID token's key only has the name of the provider's.")
    ID_TOKEN_WITHOUT_KID = left_out("id_token_header", "kid"), "The ID token does not say which key signed it."
    ID_TOKEN_OF_AN_UNKNOWN_KEY = (
        signed_otherwise(by_stranger("ES256"), alg="ES256", kid="stranger"),
        "The ID token is signed with a key that the provider does not publish.")
    ID_TOKEN_SIGNED_IN_AN_UNLISTED_WAY = (
        signed_otherwise(by_stranger("RS256"), alg="RS256"), "The ID token's algorithm is not the provider's key's.")
    ID_TOKEN_SIGNED_BY_A_SHORT_KEY = (
        signed_otherwise(by_stranger("short"), alg="RS256", kid="short"), "The ID token's RSA key has 1024 bits.")
    ID_TOKEN_SIGNATURE_OF_ZEROES = (
        signed_otherwise(lambda provider: lambda data: bytes(64)), "The ID token's signature is all zeroes.")
    ID_TOKEN_SIGNATURE_IN_DER = (
        signed_otherwise(lambda provider: lambda data: der_of(provider.signature(data))),
        "The ID token's ECDSA signature is written in DER.")
    ID_TOKEN_BRINGS_ITS_KEY = forged(own_key), "The ID token brings the key that it is signed with."
    ID_TOKEN_NAMES_ITS_KEYS_PLACE = (
        forged(lambda provider, header, claims: forge(
            {"alg": "ES256", "typ": "JWT", "kid": "stranger", "x5c": ["MIIB"], "jku": f"{provider.url}/planted",
             "x5u": f"{provider.url}/planted"}, claims, by_stranger("ES256")(provider))),
        "The ID token says where its key is to be fetched.")
    ID_TOKEN_DEMANDS_AN_EXTENSION = header_of(crit=["exp"]), "The ID token's crit demands what nobody knows."
    ID_TOKEN_PAYLOAD_UNENCODED = header_of(b64=False), "The ID token says that its payload is not encoded."
    ID_TOKEN_IS_AN_ACCESS_TOKEN = header_of(typ="at+jwt"), "An access token is sent in the ID token's place."

    # ── the ID token: its shape ──
    ID_TOKEN_ENCRYPTED = (
        encrypted(alg="RSA-OAEP", enc="A256GCM", zip="DEF"), "The ID token is encrypted, which nobody asked for.")
    ID_TOKEN_ENCRYPTED_WITH_A_PASSWORD = (
        encrypted(alg="PBES2-HS256+A128KW", enc="A128GCM", p2s="AAAA", p2c=2**31),
        "The ID token wants a password hashed two thousand million times.")
    ID_TOKEN_ENCRYPTED_WITH_RSA1_5 = (
        encrypted(alg="RSA1_5", enc="A128CBC-HS256"), "The ID token is encrypted with RSA PKCS #1 v1.5.")
    ID_TOKEN_TOO_LONG = claims_of(padding="x" * 100_000), "The ID token is a hundred thousand characters long."
    ID_TOKEN_WITH_PADDING = Change("id_token", lambda provider, token: token + "=="), "The ID token is padded."
    ID_TOKEN_WITH_A_SPACE = (
        Change("id_token", lambda provider, token: token.replace(".", ". ", 1)), "The ID token has a space in it.")
    ID_TOKEN_WITH_STRAY_BITS = (
        Change("id_token", lambda provider, token: token[:-1] + chr(ord(token[-1]) + 1)),
        "The ID token's signature ends in bits that mean nothing.")
    ID_TOKEN_IN_TWO_PARTS = Change("id_token", lambda provider, token: token.rpartition(".")[0]), (
        "The ID token has two parts.")
    ID_TOKEN_IN_FOUR_PARTS = Change("id_token", lambda provider, token: token + ".AAAA"), "The ID token has four parts."

    # ── the token answer ──
    TOKENS_WITHOUT_AN_ID_TOKEN = left_out("token_response", "id_token"), "There is no ID token among the tokens."
    TOKENS_OF_AN_ODD_TYPE = changed("token_response", token_type="mac"), "The access token is of an unknown type."
    TOKENS_TYPE_IN_CAPITALS = changed("token_response", token_type="BEARER"), "The type is in capitals, as it may be."
    TOKENS_WITHOUT_LIFETIME = left_out("token_response", "expires_in"), "No lifetime is told; that is allowed."
    TOKENS_WITHOUT_SCOPE = left_out("token_response", "scope"), "No scope is told; that means the one asked for."
    TOKENS_DEAD_ON_ARRIVAL = changed("token_response", expires_in=0), "The access token lives for no time."
    TOKENS_OF_A_NEGATIVE_LIFETIME = changed("token_response", expires_in=-3600), "The access token's life is negative."
    TOKENS_FOR_EVER = changed("token_response", expires_in=10**18), "The access token lives longer than the sun."
    TOKENS_LIFETIME_IS_TRUE = changed("token_response", expires_in=True), "The lifetime is true."
    TOKENS_WITH_A_LINE_BREAK = (
        changed("token_response", access_token="abc\r\nX-Evil: 1"), "The access token holds a line break.")
    TOKENS_BEYOND_ASCII = changed("token_response", access_token="tökén"), "The access token is not ASCII."
    TOKENS_OF_LESS_SCOPE = changed("token_response", scope="openid"), "Less is granted than was asked for."
    TOKENS_OF_MORE_SCOPE = (
        changed("token_response", scope=lambda provider, honest: honest["scope"] + " admin"),
        "More is granted than was asked for.")
    TOKENS_WITHOUT_A_REFRESH_TOKEN = left_out("token_response", "refresh_token"), "There is no refresh token."

    # ── the token endpoint's answer as a whole ──
    TOKEN_ENDPOINT_REDIRECTS_301 = redirected("token", 301), "The token endpoint has moved (301)."
    TOKEN_ENDPOINT_REDIRECTS_302 = redirected("token", 302), "The token endpoint redirects (302)."
    TOKEN_ENDPOINT_REDIRECTS_303 = redirected("token", 303), "The token endpoint redirects (303)."
    TOKEN_ENDPOINT_REDIRECTS_307 = redirected("token", 307), "The token endpoint wants the POST repeated (307)."
    TOKEN_ENDPOINT_REDIRECTS_308 = redirected("token", 308), "The token endpoint wants the POST repeated (308)."
    TOKEN_ANSWER_IS_A_PAGE = (
        answered("token", kind="text/html", body=b"<!doctype html><title>Sign in</title>"), "A page comes, with 200.")
    TOKEN_ANSWER_IS_EMPTY = answered("token"), "Nothing comes, with 200."
    TOKEN_ANSWER_HAS_A_BOM = answered("token", body=lambda honest: b"\xef\xbb\xbf" + honest), "A BOM stands before it."
    TOKEN_ANSWER_IN_UTF16 = (
        answered("token", body=lambda honest: honest.decode().encode("utf-16")), "The answer is in UTF-16.")
    TOKEN_ANSWER_HAS_A_NAN = answered("token", body=raw_members(expires_in="NaN")), "A number is NaN."
    TOKEN_ANSWER_HAS_INFINITY = answered("token", body=raw_members(expires_in="Infinity")), "A number is Infinity."
    TOKEN_ANSWER_HAS_1E400 = answered("token", body=raw_members(expires_in="1e400")), "A number is beyond all floats."
    TOKEN_ANSWER_HAS_5000_DIGITS = answered("token", body=raw_members(expires_in="9" * 5000)), "A number is too long."
    TOKEN_ANSWER_IS_TOO_DEEP = (
        answered("token", body=raw_members(extra="[" * 100_000 + "]" * 100_000)), "The JSON is 100 000 deep.")
    TOKEN_ANSWER_SAYS_IT_TWICE = (
        answered("token", body=lambda honest: b'{"access_token":"first",' + honest[1:]), "It has two access tokens.")
    TOKEN_ANSWER_IS_A_BOMB = (
        answered("token", headers={"content-encoding": "gzip"}, body=compress(b" " * 20_000_000)),
        "A small answer unpacks to twenty million bytes.")
    TOKEN_ANSWER_NEVER_ENDS = (
        answered("token", body=lambda honest: repeat(b" " * 65536, NEVER_ENDING)), "The answer goes on and on.")
    TOKEN_ANSWER_DRIPS = (
        answered("token", body=lambda honest: repeat(b" ", NEVER_ENDING), pause=0.05), "The answer comes by drops.")

    # ── the metadata ──
    METADATA_OF_ANOTHER_ISSUER = changed("metadata", issuer=ELSEWHERE), "The metadata are about another issuer."
    METADATA_ISSUER_WITH_A_SLASH = (
        changed("metadata", issuer=lambda provider, honest: honest["issuer"] + "/"), "The issuer has a slash too many.")
    METADATA_SAY_IT_TWICE = (
        answered("metadata", body=lambda honest: honest[:-1] + b',"issuer":"https://evil.example"}'),
        "The metadata name two issuers.")
    METADATA_LEAD_TO_HTTP = (
        changed("metadata", token_endpoint="http://op.example/token"), "The token endpoint is not encrypted.")
    METADATA_LEAD_TO_A_SCRIPT = leading_to("javascript:alert(1)"), "The authorization endpoint is a script."
    METADATA_LEAD_TO_A_FILE = leading_to("file:///etc/passwd"), "The authorization endpoint is a file."
    METADATA_LEAD_TO_AN_OPTION = leading_to("--help"), "The authorization endpoint is an option of a program."
    METADATA_LEAD_TO_A_COMMAND = leading_to('https://op.example/"$(id)"'), "The authorization endpoint is a command."
    METADATA_LEAD_TO_A_LINE_BREAK = leading_to("https://op.example/\r\nx"), "The authorization endpoint has two lines."
    METADATA_LEAD_TO_A_USER = leading_to("https://op.example@evil.example/"), "The authorization endpoint has a user."
    METADATA_WITHOUT_S256 = left_out("metadata", "code_challenge_methods_supported"), "No PKCE method is listed."
    METADATA_WITH_PLAIN_ONLY = (
        changed("metadata", code_challenge_methods_supported=["plain"]), "Only the PKCE method plain is listed.")
    METADATA_REDIRECT = redirected("metadata", 302), "The metadata are elsewhere."
    METADATA_ARE_A_PAGE = answered("metadata", kind="text/html", body=b"<html>"), "A page comes, with 200."
    METADATA_FAIL = answered("metadata", 500), "The metadata cannot be had (500)."

    # ── the keys ──
    KEYS_REDIRECT = redirected("jwks", 302), "The keys are elsewhere."
    KEYS_FAIL = answered("jwks", 500), "The keys cannot be had (500)."
    KEYS_WITHOUT_NAMES = Change("jwks", unlabelled), "No key has a kid."
    KEYS_OF_STRANGERS_FIRST = Change("jwks", strangers_first), "Several keys have no kid; the right one is the last."
    KEYS_IN_CROWDS = (
        Change("jwks", lambda provider, honest: {"keys": [{"kty": "RSA"}] * 100_000 + honest["keys"]}),
        "There are a hundred thousand keys.")
    KEYS_WITH_A_SECRET = (
        more_keys({"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ", "kid": "stranger", "alg": "HS256"}),
        "There is a symmetric key among the keys.")
    KEYS_TOO_SHORT = (
        Change("jwks", lambda provider, honest: {"keys": [strangers_key("short").as_dict(private=False)]}),
        "The only key is RSA of 1024 bits.")

    # ── userinfo ──
    USERINFO_OF_SOMEBODY_ELSE = changed("userinfo", sub=STRANGER), "Userinfo is about somebody else."
    USERINFO_WITHOUT_SUBJECT = left_out("userinfo", "sub"), "Userinfo does not say about whom it is."
    USERINFO_IS_A_PAGE = answered("userinfo", kind="text/html", body=b"<html>"), "A page comes, with 200."
    USERINFO_REDIRECTS = redirected("userinfo", 307), "Userinfo is elsewhere, and wants the token there."

    # ── an answer that is a JWT (JARM) ──
    RESPONSE_WITHOUT_ISSUER = left_out("response_claims", "iss"), "The signed answer does not say whose it is."
    RESPONSE_OF_ANOTHER_ISSUER = changed("response_claims", iss=ELSEWHERE), "The signed answer is another issuer's."
    RESPONSE_WITHOUT_AUDIENCE = left_out("response_claims", "aud"), "The signed answer is for nobody."
    RESPONSE_FOR_ANOTHER_CLIENT = changed("response_claims", aud="another-client"), "It is for another client."
    RESPONSE_WITHOUT_EXPIRY = left_out("response_claims", "exp"), "The signed answer does not expire."
    RESPONSE_EXPIRED = changed("response_claims", exp=1), "The signed answer has expired."
    RESPONSE_SIGNED_BY_A_STRANGER = (
        forged(lambda provider, header, claims: forge(header, claims, by_stranger("ES256")(provider)), "response"),
        "The answer is signed with a key that is not the provider's.")
    RESPONSE_UNSIGNED = (
        forged(lambda provider, header, claims: forge({**header, "alg": "none"}, claims, unsigned), "response"),
        "The answer is a JWT without a signature.")

    # ── logout tokens ──
    LOGOUT_TOKEN_OF_ANOTHER_ISSUER = changed("logout_token_claims", iss=ELSEWHERE), "It is another issuer's."
    LOGOUT_TOKEN_FOR_ANOTHER_CLIENT = changed("logout_token_claims", aud="another-client"), "It is for another client."
    LOGOUT_TOKEN_WITHOUT_EVENT = left_out("logout_token_claims", "events"), "The logout token tells of no logout."
    LOGOUT_TOKEN_OF_ANOTHER_EVENT = (
        changed("logout_token_claims", events={"https://op.example/other": {}}), "It tells of something else.")
    LOGOUT_TOKEN_WITH_A_NONCE = changed("logout_token_claims", nonce="n"), "The logout token has a nonce."
    LOGOUT_TOKEN_UNSIGNED = (
        forged(lambda provider, header, claims: forge({**header, "alg": "none"}, claims, unsigned), "logout_token"),
        "The logout token is not signed.")
    LOGOUT_TOKEN_SIGNED_IN_AN_UNLISTED_WAY = (
        forged(lambda provider, header, claims: forge(
            {**header, "alg": "RS256"}, claims, by_stranger("RS256")(provider)), "logout_token"),
        "The logout token is signed with another algorithm than was agreed.")
    # fmt: on
