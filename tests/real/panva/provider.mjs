// The certified `oidc-provider`, set up for the tests: the clients they need, two plain HTML forms, and a
// control route. Everything is in memory; a restart forgets all.
//
// Environment: KEYS (a file with the provider's private and the clients' public keys, made by the test fixture),
// AT_TTL (seconds an access token lives), TLS_CERT, TLS_KEY and CLIENT_CERT (files: https, and a certificate asked of
// clients). It takes a free port, prints `ready ISSUER` when it answers, and ends when its standard input does:
// a test run that is killed leaves nothing behind.
//
// Signing in: anybody may, the password is `pw-` and the name. A request with `login_hint` is approved at once
// as that user; `login_hint=deny` is refused at once; so it is when the human is asked on their phone (CIBA). Without one, a human or a browser fills in the forms.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { Provider, errors } from 'oidc-provider';

const { KEYS, AT_TTL = '300', TLS_CERT, TLS_KEY, CLIENT_CERT } = process.env;
const TLS = TLS_CERT !== undefined;
const { provider: PROVIDER_KEYS, client: CLIENT_KEYS, tls: TLS_KEYS } = JSON.parse(readFileSync(KEYS, 'utf8'));

const CLIENT_DOCUMENT = 'https://app.example.test/client.json';
const CIBA_PINGS = 'https://app.example.test/pings';
let pingsGoTo = '';

const server = (TLS
  ? createSecureServer({
    cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY), ca: readFileSync(CLIENT_CERT),
    requestCert: true, rejectUnauthorized: false,
  })
  : createServer()).listen(0, '127.0.0.1');
await once(server, 'listening');
const ISSUER = `${TLS ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;

// ── clients ──────────────────────────────────────────────────────────────────────────────────────────────
// `native`: RFC 8252 §7.3, a loopback redirect URI matches with any port.

const client = (client_id, more = {}) => ({
  client_id,
  client_secret: `secret-of-${client_id}-that-only-tests-know`,
  application_type: 'native',
  redirect_uris: [
    `http://127.0.0.1/callback/${client_id}`,
    `http://localhost/callback/${client_id}`,
    'https://app.example.test/callback',
  ],
  post_logout_redirect_uris: ['http://127.0.0.1/logged-out', 'https://app.example.test/'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  ...more,
});

const ENCRYPTED = [
  ['id-rsa-gcm', 'RSA-OAEP-256', 'A256GCM'],
  ['id-rsa-cbc', 'RSA-OAEP', 'A128CBC-HS256'],
  ['id-ec', 'ECDH-ES', 'A128GCM'],
  ['id-ec-a128kw', 'ECDH-ES+A128KW', 'A256CBC-HS512'],
  ['id-ec-a256kw', 'ECDH-ES+A256KW', 'A128CBC-HS256'],
];

const clients = [
  client('basic'),
  client('post', { token_endpoint_auth_method: 'client_secret_post' }),
  client('public', { token_endpoint_auth_method: 'none', client_secret: undefined }),
  client('secret-jwt', { token_endpoint_auth_method: 'client_secret_jwt' }),
  client('private-key-jwt', {
    token_endpoint_auth_method: 'private_key_jwt', client_secret: undefined, jwks: CLIENT_KEYS,
  }),
  client('dpop', { dpop_bound_access_tokens: true }),
  client('dpop-nonce', { dpop_bound_access_tokens: true }),
  client('service', {
    redirect_uris: [], response_types: [], post_logout_redirect_uris: [], grant_types: ['client_credentials'],
  }),
  client('device', {
    redirect_uris: [], response_types: [], post_logout_redirect_uris: [],
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
  }),
  ...['poll', 'ping'].map((mode) => client(`ciba-${mode}`, {
    redirect_uris: [], response_types: [], post_logout_redirect_uris: [],
    grant_types: ['urn:openid:params:grant-type:ciba', 'refresh_token'],
    backchannel_token_delivery_mode: mode,
    backchannel_client_notification_endpoint: mode === 'ping' ? CIBA_PINGS : undefined,
  })),
  client('ciba-signed', {
    redirect_uris: [], response_types: [], post_logout_redirect_uris: [],
    grant_types: ['urn:openid:params:grant-type:ciba', 'refresh_token'], backchannel_token_delivery_mode: 'poll',
    backchannel_authentication_request_signing_alg: 'ES256',
    token_endpoint_auth_method: 'private_key_jwt', client_secret: undefined, jwks: CLIENT_KEYS,
  }),
  client('fapi2', {
    token_endpoint_auth_method: 'private_key_jwt', client_secret: undefined, jwks: CLIENT_KEYS,
    require_pushed_authorization_requests: true, dpop_bound_access_tokens: true, id_token_signed_response_alg: 'PS256',
  }),
  ...(TLS ? [
    client('mtls-self', {
      token_endpoint_auth_method: 'self_signed_tls_client_auth', client_secret: undefined, jwks: TLS_KEYS,
      tls_client_certificate_bound_access_tokens: true,
    }),
    client('mtls-ca', {
      token_endpoint_auth_method: 'tls_client_auth', client_secret: undefined, tls_client_auth_subject_dn: 'CN=client',
      tls_client_certificate_bound_access_tokens: true,
    }),
  ] : []),
  client('signed-introspection', { introspection_signed_response_alg: 'ES256' }),
  client('par', { require_pushed_authorization_requests: true }),
  client('jar', { require_signed_request_object: true, jwks: CLIENT_KEYS }),
  client('jar-encrypted', { require_signed_request_object: true, request_object_encryption_alg: 'RSA-OAEP-256', jwks: CLIENT_KEYS }),
  client('jarm', { authorization_signed_response_alg: 'ES256' }),
  client('jarm-encrypted', { authorization_encrypted_response_alg: 'RSA-OAEP-256', authorization_encrypted_response_enc: 'A256GCM', jwks: CLIENT_KEYS }),
  client('hybrid', {
    grant_types: ['implicit', 'authorization_code', 'refresh_token'],
    response_types: ['code', 'id_token', 'code id_token'],
  }),
  ...ENCRYPTED.map(([name, alg, enc]) => client(name, {
    id_token_encrypted_response_alg: alg, id_token_encrypted_response_enc: enc, jwks: CLIENT_KEYS,
  })),
  client('userinfo-signed', { userinfo_signed_response_alg: 'ES256' }),
  client('userinfo-encrypted', {
    userinfo_signed_response_alg: 'PS256', userinfo_encrypted_response_alg: 'ECDH-ES', jwks: CLIENT_KEYS,
  }),
  client('hs256', { id_token_signed_response_alg: 'HS256' }),
  client('es256', { id_token_signed_response_alg: 'ES256' }),
  client('ps256', { id_token_signed_response_alg: 'PS256' }),
  client('eddsa', { id_token_signed_response_alg: 'EdDSA' }),
  client('ed25519', { id_token_signed_response_alg: 'Ed25519' }),
];

// ── the provider ─────────────────────────────────────────────────────────────────────────────────────────

const account = (sub) => ({
  accountId: sub,
  claims: () => ({
    sub,
    name: `${sub} Example`,
    preferred_username: sub,
    email: `${sub}@example.test`,
    email_verified: true,
    groups: sub === 'admin' ? ['admins', 'users'] : ['users'],
  }),
});

const provider = new Provider(ISSUER, {
  clients,
  jwks: PROVIDER_KEYS,
  findAccount: (_ctx, sub) => account(sub),
  claims: {
    openid: ['sub'],
    profile: ['name', 'preferred_username'],
    email: ['email', 'email_verified'],
    groups: ['groups'],
  },
  scopes: ['openid', 'offline_access'],
  enabledJWA: {
    idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519', 'HS256'],
    idTokenEncryptionAlgValues: ['RSA-OAEP', 'RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A256KW'],
    clientAuthSigningAlgValues: ['HS256', 'RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
  },
  clientAuthMethods: [
    'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none',
    ...(TLS ? ['self_signed_tls_client_auth', 'tls_client_auth'] : []),
  ],
  responseTypes: ['code', 'id_token', 'code id_token'],
  acrValues: ['urn:acr:pwd', 'urn:acr:mfa'],
  cookies: { keys: ['signs the cookies of a provider that lives for one test run'] },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  // There is no network: the one document that a client of the tests has is handed out here, and what tells clients
  // on loopback of a logout goes there (a ping: to where `/-/pings` was told), past the dispatcher that would refuse it.
  fetch: (url, options) => (String(url) === CLIENT_DOCUMENT
    ? Response.json({
      client_id: CLIENT_DOCUMENT,
      client_name: 'By its document',
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1/callback/document'],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'none',
    })
    : globalThis.fetch(String(url) === CIBA_PINGS ? pingsGoTo : url, { ...options, dispatcher: undefined })),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  ttl: {
    AccessToken: Number(AT_TTL),
    AuthorizationCode: 60,
    IdToken: 300,
    Interaction: 600,
    RefreshToken: 86400,
    Session: 86400,
    Grant: 86400,
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    fapi: { enabled: true, profile: (_ctx, client) => (client?.clientId === 'fapi2' ? '2.0' : undefined) },
    mTLS: {
      enabled: TLS,
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: (ctx) => ctx.req.socket.getPeerX509Certificate?.()?.toString(),
      certificateAuthorized: (ctx) => ctx.req.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_subject_dn'
        && ctx.req.socket.getPeerX509Certificate().subject === expected,
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_ctx, _client, oneOf) => (oneOf ? oneOf[0] : undefined),
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource) => {
        if (!/^(https:\/\/api\.example\.test|http:\/\/127\.0\.0\.1:\d+)\//.test(resource)) throw new errors.InvalidTarget();
        return { scope: 'read write', audience: resource, accessTokenTTL: Number(AT_TTL), accessTokenFormat: 'opaque' };
      },
    },
    dPoP: {
      enabled: true,
      nonceSecret: randomBytes(32),
      requireNonce: (ctx) => ctx.oidc.client?.clientId === 'dpop-nonce',
    },
    claimsParameter: { enabled: true },
    encryption: { enabled: true },
    jwtResponseModes: { enabled: true },
    jwtUserinfo: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    requestObjects: { enabled: true },
    introspection: { enabled: true },
    jwtIntrospection: { enabled: true },
    backchannelLogout: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (ctx, form, _out, error) => {
        ctx.body = page('Your code', error ? `<p>${escape(error.message)}</p>` : form);
      },
      userCodeConfirmSource: (ctx, form) => {
        ctx.body = page('Is this your code?', form.replace('</form>', '<button>Yes</button></form>'));
      },
      successSource: (ctx) => { ctx.body = page('Signed in', '<p>Go back to your device.</p>'); },
    },
    ciba: {
      enabled: true,
      deliveryModes: ['poll', 'ping'],
      processLoginHint: (_ctx, hint) => hint,
      validateRequestContext: () => {},
      validateBindingMessage: () => {},
      verifyUserCode: () => {},
      triggerAuthenticationDevice: (_ctx, request) => { setImmediate(answerOnPhone, request); },
    },
    clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
    revocation: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        const confirmed = form.replace('</form>', '<input type="hidden" name="logout" value="yes"></form>');
        ctx.body = page('Signing out', `${confirmed}<script>document.forms[0].submit()</script>`);
      },
      postLogoutSuccessSource: (ctx) => {
        ctx.body = page('Signed out', '<p>You are signed out.</p>');
      },
    },
  },
});

async function answerOnPhone(request) {
  const { accountId, clientId, scope } = request;
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope(scope);
  const answer = accountId === 'deny' ? new errors.AccessDenied('The user said no.') : await grant.save();
  await provider.backchannelResult(request, answer).catch((error) => console.error('ciba', error));
}

// What reached the provider: `token:refresh_token`, `userinfo`, `revocation`, … and how often.
const requests = {};
provider.use(async (ctx, next) => {
  await next();
  const { route, params } = ctx.oidc ?? {};
  if (!route) return;
  const name = route === 'token' ? `token:${params?.grant_type}` : route;
  requests[name] = (requests[name] ?? 0) + 1;
});

for (const event of ['server_error', 'authorization.error', 'grant.error', 'userinfo.error', 'end_session.error', 'backchannel.error', 'registration_create.error']) {
  provider.on(event, (_ctx, error) => console.error(event, error.message, error.error_description ?? '', error.error_detail ?? ''));
}

// ── login and consent ────────────────────────────────────────────────────────────────────────────────────

const escape = (text) => String(text).replace(/[&<>"]/g, (ch) => `&#${ch.charCodeAt(0)};`);
const page = (title, body) => `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>${body}</html>`;

const loginPage = (uid) => page('Sign in', `
  <form method="post" action="/interaction/${uid}/login">
    <input name="login" required autofocus placeholder="name">
    <input name="password" type="password" required placeholder="password">
    <button>Sign in</button>
  </form>
  <form method="post" action="/interaction/${uid}/deny"><button>Cancel</button></form>`);

const consentPage = (uid, params) => page('Allow access?', `
  <p>${escape(params.client_id)} asks for: ${escape(params.scope)}</p>
  <form method="post" action="/interaction/${uid}/allow"><button>Allow</button></form>
  <form method="post" action="/interaction/${uid}/deny"><button>Deny</button></form>`);

async function grantConsent({ grantId, params, prompt: { details }, session }) {
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (details.missingOIDCScope) grant.addOIDCScope(details.missingOIDCScope.join(' '));
  if (details.missingOIDCClaims) grant.addOIDCClaims(details.missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  return { consent: { grantId: await grant.save() } };
}

async function readForm(req) {
  let text = '';
  for await (const chunk of req) text += chunk;
  return new URLSearchParams(text);
}

async function interact(req, res, uid, action) {
  const details = await provider.interactionDetails(req, res);
  const { params, prompt } = details;
  const finish = (result) => provider.interactionFinished(req, res, result, { mergeWithLastSubmission: true });
  const show = (html, status = 200) => res.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(html);

  if (action === 'deny' || params.login_hint === 'deny') {
    return finish({ error: 'access_denied', error_description: 'The user said no.' });
  }

  if (prompt.name === 'login') {
    if (params.login_hint) return finish({ login: { accountId: params.login_hint } });
    if (action !== 'login') return show(loginPage(uid));
    const form = await readForm(req);
    const name = form.get('login');
    if (form.get('password') !== `pw-${name}`) return show(loginPage(uid), 401);
    return finish({ login: { accountId: name } });
  }

  if (params.login_hint || action === 'allow') return finish(await grantConsent(details));
  return show(consentPage(uid, params));
}

// ── the server ───────────────────────────────────────────────────────────────────────────────────────────

const callback = provider.callback();
const INTERACTION = /^\/interaction\/([\w-]+)(?:\/(login|allow|deny))?$/;

server.on('request', async (req, res) => {
  const { pathname, searchParams } = new URL(req.url, ISSUER);
  try {
    if (pathname === '/-/requests') {
      return res.setHeader('content-type', 'application/json').end(JSON.stringify(requests));
    }
    if (pathname === '/-/expire') {
      const token = await provider.AccessToken.find(searchParams.get('access_token'));
      await token.destroy();
      return res.end();
    }
    if (pathname === '/-/pings') {
      pingsGoTo = searchParams.get('to');
      return res.end();
    }
    const [, uid, action] = pathname.match(INTERACTION) ?? [];
    if (uid) return await interact(req, res, uid, action);
    return callback(req, res);
  } catch (error) {
    console.error(error);
    return res.writeHead(500).end('the test provider failed; its output says why');
  }
});

console.log(`ready ${ISSUER}`);
process.stdin.resume().on('end', () => process.exit(0));
