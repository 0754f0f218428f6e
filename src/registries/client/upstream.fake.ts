import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { digestOf, MediaType } from '#core/oci';

/** A registry on loopback that behaves like one, and misbehaves where a test says so. */
export type FakeUpstream = {
  readonly host: string;
  readonly url: string;
  /** `METHOD path?query` of every request, digests shortened to their first six digits. */
  readonly log: string[];
  /** Header `authorization` of every request, in the same order. */
  readonly authorizations: (string | undefined)[];
  readonly blobs: Map<string, Uint8Array>;
  /** By tag and by digest. */
  readonly manifests: Map<string, StoredManifest>;
  readonly settings: FakeSettings;
  /** Answers matching requests instead of the registry; `false` lets the registry answer. At most `times` times. */
  on(pattern: RegExp, act: Act, times?: number): void;
  /** A manifest of one layer, stored with its blobs. */
  addImage(
    tag: string,
    layer?: Uint8Array,
  ): { manifest: Uint8Array; digest: string; layer: Uint8Array; layerDigest: string };
  stop(): Promise<void>;
};

export type StoredManifest = { readonly bytes: Uint8Array; readonly mediaType: string };
export type Act = (exchange: Exchange) => boolean | undefined | Promise<boolean | undefined>;
export type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly body: Uint8Array;
};

export type FakeSettings = {
  auth: 'none' | 'basic' | 'bearer';
  username: string;
  password: string;
  /** What the challenge says; default: this server's /token. */
  realm: string | undefined;
  tokenTtlSeconds: number | undefined;
  referrersApi: boolean;
  multiTag: boolean;
  mounts: boolean;
  /** Names a page, when the client asks for more. */
  pageSize: number;
};

export async function startUpstream(overrides: Partial<FakeSettings> = {}): Promise<FakeUpstream> {
  const settings: FakeSettings = {
    auth: 'none',
    username: 'joe',
    password: 's3:cret',
    realm: undefined,
    tokenTtlSeconds: 300,
    referrersApi: false,
    multiTag: false,
    mounts: true,
    pageSize: 1000,
    ...overrides,
  };
  const state: State = {
    settings,
    blobs: new Map(),
    manifests: new Map(),
    uploads: new Map(),
    acts: [],
    url: '',
    tokens: 0,
  };
  const log: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/';
    log.push(`${request.method} ${shortened(path)}`);
    authorizations.push(request.headers.authorization);
    const body = await bodyOf(request).catch(() => undefined);
    if (!body) return;
    await answer(state, { request, response, path, body });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  state.url = `http://127.0.0.1:${port}`;
  return {
    host: `127.0.0.1:${port}`,
    url: state.url,
    log,
    authorizations,
    blobs: state.blobs,
    manifests: state.manifests,
    settings,
    on: (pattern, act, times = Number.POSITIVE_INFINITY) => {
      state.acts.push({ pattern, act, left: times });
    },
    addImage: (tag, layer) => addImage(state, tag, layer ?? new TextEncoder().encode(`layer of ${tag}`)),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type State = {
  readonly settings: FakeSettings;
  readonly blobs: Map<string, Uint8Array>;
  readonly manifests: Map<string, StoredManifest>;
  readonly uploads: Map<string, Uint8Array>;
  readonly acts: { pattern: RegExp; act: Act; left: number }[];
  url: string;
  tokens: number;
};

function shortened(text: string): string {
  return text
    .replace(/((?:sha256|sha512)(?::|%3A|-))([0-9a-f]{6})[0-9a-f]+/g, '$1$2')
    .replace(/uploads\/u\d+/, 'uploads/u');
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return new Uint8Array(Buffer.concat(chunks));
}

async function answer(state: State, exchange: Exchange): Promise<void> {
  const { request, path, response } = exchange;
  for (const entry of state.acts) {
    if (entry.left <= 0 || !entry.pattern.test(`${request.method} ${path}`)) continue;
    entry.left--;
    if ((await entry.act(exchange)) !== false) return;
  }
  const url = new URL(path, state.url);
  if (url.pathname === '/token') return token(state, exchange, url);
  if (!isAuthorized(state, request)) return challenge(state, exchange, url);
  const match = /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/(.+)$/.exec(url.pathname);
  if (url.pathname === '/v2/') return reply(response, 200, {}, '{}');
  if (url.pathname === '/v2/_catalog')
    return names(state, exchange, { url, key: 'repositories', all: ['a/one', 'b/two', 'c/three'] });
  if (!match) return wireError(response, 404, 'NOT_FOUND');
  const [, repository = '', kind, rest = ''] = match;
  if (kind === 'manifests') return manifests(state, exchange, { rest, url });
  if (kind === 'tags') return names(state, exchange, { url, key: 'tags', all: tagsOf(state) });
  if (kind === 'referrers') return referrers(state, exchange, { rest, url });
  if (rest.startsWith('uploads/')) return uploads(state, exchange, { repository, id: rest.slice(8), url });
  return blobs(state, exchange, rest);
}

type Headers = Record<string, string | string[]>;

/** Answers with a status, headers and a body. */
export function reply(response: ServerResponse, status: number, ...content: [Headers, (Uint8Array | string)?]): void {
  const [headers, body = ''] = content;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.writeHead(status, { 'content-length': String(bytes.byteLength), ...headers });
  response.end(bytes);
}

/** Answers with a code of the specification, and headers. */
export function wireError(response: ServerResponse, status: number, ...content: [string, Headers?]): void {
  const [code, headers = {}] = content;
  const body = JSON.stringify({ errors: [{ code, message: `${code.toLowerCase()} it is` }] });
  reply(response, status, { 'content-type': 'application/json', ...headers }, body);
}

function isAuthorized({ settings }: State, request: IncomingMessage): boolean {
  const header = request.headers.authorization ?? '';
  if (settings.auth === 'none') return true;
  if (settings.auth === 'basic') return header === basicOf(settings);
  if (!header.startsWith('Bearer ')) return false;
  const granted = Buffer.from(header.slice(7), 'base64url').toString();
  const write = request.method !== 'GET' && request.method !== 'HEAD';
  return granted.includes(write ? 'pull,push' : 'pull');
}

function basicOf(settings: FakeSettings): string {
  return `Basic ${Buffer.from(`${settings.username}:${settings.password}`).toString('base64')}`;
}

function challenge({ settings, url: own }: State, { request, response }: Exchange, url: URL) {
  const repository = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(url.pathname)?.[1];
  const actions = request.method === 'GET' || request.method === 'HEAD' ? 'pull' : 'pull,push';
  const scope = repository ? `,scope="repository:${repository}:${actions}"` : '';
  const bearer = `Bearer realm="${settings.realm ?? `${own}/token`}",service="fake"${scope}`;
  wireError(response, 401, 'UNAUTHORIZED', {
    'www-authenticate': settings.auth === 'basic' ? 'Basic realm="fake"' : bearer,
  });
}

/** Grants what is asked for to whoever knows the password, and reads to everybody. */
function token(state: State, { request, response, body }: Exchange, url: URL) {
  const form = request.method === 'POST' ? new URLSearchParams(Buffer.from(body).toString()) : url.searchParams;
  const { authorization } = request.headers;
  const byForm = form.get('refresh_token') === 'refresh-me' || form.get('password') === state.settings.password;
  if (authorization !== undefined && authorization !== basicOf(state.settings))
    return wireError(response, 401, 'UNAUTHORIZED');
  if (request.method === 'POST' && !byForm) return wireError(response, 401, 'UNAUTHORIZED');
  const asked = form.getAll('scope').join(' ');
  const granted = authorization !== undefined || byForm ? asked : asked.replaceAll('pull,push', 'pull');
  state.tokens++;
  const value = Buffer.from(`${granted}#${state.tokens}`).toString('base64url');
  const ttl = state.settings.tokenTtlSeconds;
  reply(
    response,
    200,
    { 'content-type': 'application/json' },
    JSON.stringify({ token: value, ...(ttl === undefined ? {} : { expires_in: ttl }) }),
  );
}

function tagsOf(state: State): string[] {
  return [...state.manifests.keys()].filter((key) => !key.includes(':')).sort();
}

function names(
  { settings }: State,
  { response }: Exchange,
  { url, key, all }: { url: URL; key: string; all: string[] },
) {
  const n = Math.min(Number(url.searchParams.get('n') ?? settings.pageSize), settings.pageSize);
  const after = url.searchParams.get('last') ?? '';
  const rest = all.filter((name) => name > after);
  const page = rest.slice(0, n);
  const link = rest.length > n ? { link: `<${url.pathname}?n=${n}&last=${page.at(-1)}>; rel="next"` } : {};
  reply(response, 200, { 'content-type': 'application/json', ...link }, JSON.stringify({ name: 'x', [key]: page }));
}

type Place = { readonly rest: string; readonly url: URL };

function manifests(state: State, exchange: Exchange, { rest: reference, url }: Place) {
  const { request, response } = exchange;
  if (request.method === 'PUT') return putManifest(state, exchange, { rest: reference, url });
  const stored = state.manifests.get(reference);
  if (!stored) return wireError(response, 404, 'MANIFEST_UNKNOWN');
  if (request.method === 'DELETE') {
    state.manifests.delete(reference);
    return reply(response, 202, {});
  }
  const digest = digestOf(stored.bytes, reference.startsWith('sha512') ? 'sha512' : 'sha256');
  reply(response, 200, { 'content-type': stored.mediaType, 'docker-content-digest': digest }, stored.bytes);
}

function putManifest(state: State, { request, response, body }: Exchange, { rest: reference, url }: Place): void {
  const mediaType = request.headers['content-type'] ?? '';
  const digest = digestOf(body, reference.startsWith('sha512') ? 'sha512' : 'sha256');
  const tags = state.settings.multiTag ? url.searchParams.getAll('tag') : [];
  for (const name of [digest, reference, ...tags]) state.manifests.set(name, { bytes: body, mediaType });
  const subject = subjectOf(body);
  reply(response, 201, {
    'docker-content-digest': digest,
    ...(tags.length > 0 ? { 'oci-tag': tags } : {}),
    ...(state.settings.referrersApi && subject ? { 'oci-subject': subject } : {}),
  });
}

function subjectOf(bytes: Uint8Array): string | undefined {
  const json = JSON.parse(Buffer.from(bytes).toString()) as { subject?: { digest?: string } };
  return json.subject?.digest;
}

function referrers(state: State, { response }: Exchange, { rest: digest, url }: Place) {
  if (!state.settings.referrersApi) return reply(response, 404, { 'content-type': 'text/plain' }, '404 page not found');
  const wanted = url.searchParams.getAll('artifactType');
  const found = [...state.manifests].filter(([key, { bytes }]) => key.includes(':') && subjectOf(bytes) === digest);
  const list = found.map(([key, { bytes, mediaType }]) => ({
    mediaType,
    digest: key,
    size: bytes.byteLength,
    artifactType: 'a/b',
  }));
  const kept = list.filter(({ artifactType }) => wanted.length === 0 || wanted.includes(artifactType));
  reply(
    response,
    200,
    { 'content-type': MediaType.ociIndex, ...(wanted.length > 0 ? { 'oci-filters-applied': 'artifactType' } : {}) },
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: kept }),
  );
}

function blobs(state: State, { request, response }: Exchange, digest: string) {
  const bytes = state.blobs.get(digest);
  if (!bytes) return wireError(response, 404, 'BLOB_UNKNOWN');
  if (request.method === 'DELETE') {
    state.blobs.delete(digest);
    return reply(response, 202, {});
  }
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  if (!match) return reply(response, 200, { 'content-type': MediaType.octets }, bytes);
  const start = Number(match[1]);
  const end = match[2] ? Math.min(Number(match[2]) + 1, bytes.byteLength) : bytes.byteLength;
  if (start >= bytes.byteLength) return wireError(response, 416, 'RANGE_INVALID');
  reply(
    response,
    206,
    { 'content-range': `bytes ${start}-${end - 1}/${bytes.byteLength}` },
    bytes.subarray(start, end),
  );
}

type UploadPlace = { repository: string; id: string; url: URL };

function uploads(state: State, { request, response, body }: Exchange, { repository, id, url }: UploadPlace) {
  const at = (name: string) => `/v2/${repository}/blobs/uploads/${name}?state=s%2B1`;
  if (request.method === 'POST') {
    const mount = url.searchParams.get('mount');
    if (mount && state.settings.mounts && state.blobs.has(mount))
      return reply(response, 201, { 'docker-content-digest': mount });
    const name = `u${state.uploads.size + 1}`;
    state.uploads.set(name, new Uint8Array());
    return reply(response, 202, { location: at(name), range: '0-0' });
  }
  const received = state.uploads.get(id);
  if (!received) return wireError(response, 404, 'BLOB_UPLOAD_UNKNOWN');
  const joined = new Uint8Array(Buffer.concat([received, body]));
  const range = { location: at(id), range: `0-${Math.max(0, joined.byteLength - 1)}` };
  if (request.method === 'DELETE') state.uploads.delete(id);
  if (request.method === 'DELETE' || request.method === 'GET') return reply(response, 204, range);
  state.uploads.set(id, joined);
  if (request.method === 'PATCH') return reply(response, 202, range);
  state.uploads.delete(id);
  const digest = url.searchParams.get('digest') ?? '';
  if (digestOf(joined, digest.startsWith('sha512') ? 'sha512' : 'sha256') !== digest)
    return wireError(response, 400, 'DIGEST_INVALID');
  state.blobs.set(digest, joined);
  reply(response, 201, { 'docker-content-digest': digest });
}

function addImage(state: State, tag: string, layer: Uint8Array) {
  const config = new TextEncoder().encode('{"architecture":"amd64","os":"linux"}');
  const layerDigest = digestOf(layer);
  const manifest = new TextEncoder().encode(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: { mediaType: MediaType.ociConfig, digest: digestOf(config), size: config.byteLength },
      layers: [{ mediaType: MediaType.ociLayer, digest: layerDigest, size: layer.byteLength }],
    }),
  );
  const digest = digestOf(manifest);
  state.blobs.set(digestOf(config), config);
  state.blobs.set(layerDigest, layer);
  for (const name of [tag, digest]) state.manifests.set(name, { bytes: manifest, mediaType: MediaType.ociManifest });
  return { manifest, digest, layer, layerDigest };
}
