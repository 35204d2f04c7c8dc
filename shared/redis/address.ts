import { isIPv6 } from 'node:net';

export type RedisNode = { host: string; port: number };
type Credentials = { username: string | undefined; password: string | undefined };

/** Where the Redis of a deployment is. */
export type RedisAddress =
  | { kind: 'server'; url: string; host: string; port: number; database: string }
  | ({ kind: 'cluster'; isTls: boolean; nodes: readonly RedisNode[] } & Credentials)
  | ({
      kind: 'sentinel';
      isTls: boolean;
      nodes: readonly RedisNode[];
      masterName: string;
      database: number;
      /** Of the sentinels themselves; the others are of the servers that they watch. */
      sentinel: Credentials;
    } & Credentials);

/** As the registered ports of the two: what an address without one has. */
const DEFAULT_PORT = { server: 6379, cluster: 6379, sentinel: 26379 } as const;
const FORMS =
  'must be an address like redis://host:6379, redis+cluster://host:6379,host:6379 or redis+sentinel://host:26379,host:26379/master';
const UNDECODABLE = 'must have its user, password and name percent-encoded';
const PARAMETERS: ReadonlySet<string> = new Set(['db', 'sentinelUsername', 'sentinelPassword']);

/**
 * Reads what REDIS_URL may be: `redis://`, `redis+cluster://user:password@host:port,host:port` or
 * `redis+sentinel://user:password@host:port,host:port/master?db=0`; with `rediss` for TLS. User, password and master are percent-encoded.
 * @returns the address, or what is wrong with it, a rule for each bad part: none of them repeats any of the text, which may be a password
 */
export function parseRedisUrl(text: string): { address: RedisAddress } | { problems: readonly string[] } {
  const [, scheme, secure, kind, rest = ''] =
    /^(redis(s?)(?:\+(cluster|sentinel))?):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme === undefined) return { problems: [FORMS] };
  if (kind === undefined) return server(text);
  const problems: string[] = [];
  const [, authority = '', path = '', query = ''] = /^([^/?#]*)([^?#]*)(.*)$/s.exec(rest) ?? [];
  const at = authority.lastIndexOf('@');
  const nodes = authority
    .slice(at + 1)
    .split(',')
    .map((part, index) => node(part, index + 1, DEFAULT_PORT[kind as 'cluster' | 'sentinel'], problems));
  const common = {
    isTls: secure === 's',
    nodes,
    ...credentials(authority.slice(0, Math.max(0, at)), problems),
  };
  const address: RedisAddress =
    kind === 'cluster'
      ? { kind, ...common }
      : { kind: 'sentinel', ...common, ...watched(path.slice(1), query, problems) };
  if (kind === 'cluster' && (path.length > 1 || query !== ''))
    problems.push('must end after its last host: Redis Cluster has no databases and no names');
  return problems.length > 0 ? { problems: [...new Set(problems)] } : { address };
}

function server(text: string): { address: RedisAddress } | { problems: readonly string[] } {
  if (!URL.canParse(text)) return { problems: [FORMS] };
  const { hostname, port, pathname, username, password } = new URL(text);
  if ([username, password, pathname].some((part) => decoded(part) === undefined))
    return { problems: [UNDECODABLE] };
  const database = pathname.slice(1);
  const host = hostname.replace(/^\[|\]$/g, '');
  return {
    address: { kind: 'server', url: text, host, port: Number(port || DEFAULT_PORT.server), database },
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function node(text: string, place: number, defaultPort: number, problems: string[]): RedisNode {
  const [, bracketed, name, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(text) ?? [];
  const host = bracketed ?? name ?? '';
  const isHost = bracketed === undefined ? /^[A-Za-z0-9_.-]+$/.test(host) : isIPv6(host);
  if (!isHost) problems.push(`must have a host name or an IP address (IPv6 in brackets) as host ${place}`);
  const isPort = port === undefined || (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535);
  // With no host, what stands after a colon is no port either
  if (isHost && !isPort) problems.push(`must have a port from 1 to 65535 at host ${place}`);
  return { host, port: port === undefined ? defaultPort : Number(port) };
}

function credentials(text: string, problems: string[]): Credentials {
  const colon = text.indexOf(':');
  const parts = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
  const [username, password] = parts.map(decoded);
  if (username === undefined || password === undefined) problems.push(UNDECODABLE);
  return { username: username || undefined, password: password || undefined };
}

function watched(
  name: string,
  query: string,
  problems: string[],
): { masterName: string; database: number; sentinel: Credentials } {
  const masterName = decoded(name);
  if (masterName === undefined) problems.push(UNDECODABLE);
  else if (!/^[A-Za-z0-9_.-]+$/.test(masterName))
    problems.push('must name the master that the sentinels watch after the last host, like /mymaster');
  const parameters = new URLSearchParams(query.replace(/^\?/, ''));
  if (query.includes('#') || [...parameters.keys()].some((key) => !PARAMETERS.has(key)))
    problems.push(`may have only ${[...PARAMETERS].join(', ')} after its question mark`);
  const database = parameters.get('db') ?? '0';
  if (!/^\d{1,4}$/.test(database)) problems.push('must have a whole number as its db');
  const sentinel = {
    username: parameters.get('sentinelUsername') || undefined,
    password: parameters.get('sentinelPassword') || undefined,
  };
  return { masterName: masterName ?? '', database: Number(database), sentinel };
}

/** For a log: hosts and ports, never what else is in the address. */
export function describeRedis(address: RedisAddress): string {
  if (address.kind === 'server') return `Redis at ${nodeText(address)}`;
  const nodes = address.nodes.map(nodeText).join(', ');
  return address.kind === 'cluster'
    ? `Redis Cluster at ${nodes}`
    : `Redis ${address.masterName} of the sentinels at ${nodes}`;
}

const nodeText = ({ host, port }: RedisNode) => `${isIPv6(host) ? `[${host}]` : host}:${port}`;
