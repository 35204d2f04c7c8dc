import { isIP } from 'node:net';
import { parseRedisUrl } from '../redis/address.ts';

type Format = {
  holds(text: string): boolean;
  /** How to go on after the variable's name; of a text with parts, a rule for each that is bad. */
  rule: string | ((text: string) => readonly string[]);
};

const parsedUrl = (text: string, ...protocols: string[]): URL | undefined => {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return protocols.includes(url.protocol) ? url : undefined;
};

/** A half-encoded password (`%zz`) would make the database's client fail later, in words of its own. */
function isDecodable({ username, password, pathname }: URL): boolean {
  try {
    return [username, password, pathname].map(decodeURIComponent).length > 0;
  } catch {
    return false;
  }
}

export const items = (list: string): string[] =>
  list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** RFC 6454: scheme, host and port, and nothing behind them; a final slash is forgiven. */
const isOrigin = (text: string) => parsedUrl(text, 'http:', 'https:')?.origin === text.replace(/\/$/, '');

/** Express' names for networks (proxy-addr). */
const networks = new Set(['loopback', 'linklocal', 'uniquelocal']);

function isProxy(text: string): boolean {
  if (networks.has(text)) return true;
  const [, address = '', prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && (prefix === undefined || Number(prefix) <= (version === 4 ? 32 : 128));
}

/** Texts with a form of their own, beside what JSON Schema has words for. */
export const formats = {
  'postgres-url': {
    holds: (text) => {
      const url = parsedUrl(text, 'postgres:', 'postgresql:');
      return url !== undefined && isDecodable(url);
    },
    rule: 'must be an address like postgresql://user:password@host:5432/database',
  },
  'redis-url': {
    holds: (text) => 'address' in parseRedisUrl(text),
    rule: (text) => {
      const parsed = parseRedisUrl(text);
      return 'problems' in parsed ? parsed.problems : [];
    },
  },
  'http-url': {
    holds: (text) => parsedUrl(text, 'http:', 'https:') !== undefined,
    rule: 'must be an address like https://host',
  },
  'ws-url': {
    holds: (text) => parsedUrl(text, 'ws:', 'wss:') !== undefined,
    rule: 'must be an address like wss://host/mqtt',
  },
  // RFC 6750, 2.1: what an Authorization header can carry. Short ones can be tried out
  'bearer-token': {
    holds: (text) => /^[A-Za-z0-9\-._~+/]{16,}=*$/.test(text),
    rule: 'must be at least 16 letters, digits and -._~+/ (openssl rand -hex 32 makes one)',
  },
  origins: {
    holds: (text) => items(text).length > 0 && items(text).every(isOrigin),
    rule: 'must be a comma-separated list of origins like https://app.example.org',
  },
  'trust-proxy': {
    holds: (text) =>
      /^(off|on|[1-9]\d?)$/.test(text) || (items(text).length > 0 && items(text).every(isProxy)),
    rule: 'must be off, on, a number of proxies from 1 to 99, or a comma-separated list of their addresses or networks',
  },
} as const satisfies Record<string, Format>;

export type FormatName = keyof typeof formats;
