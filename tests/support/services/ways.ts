/** A server that the tests may use. `stop` leaves nothing behind of what was started for them. */
export interface RunningService {
  url: string;
  /** What it is and where it runs, for the line that says which way was taken. */
  description: string;
  stop(): Promise<void>;
}

/** Why a way does not lead to a service on this machine. */
export interface Closed {
  reason: string;
}

/** One way to get at a service. Anything it throws is a fault to be seen, and no other way is tried. */
export interface Way {
  name: string;
  open(): Promise<RunningService | Closed>;
}

export interface Tried {
  way: string;
  reason: string;
}

export interface Found {
  way: string;
  service: RunningService;
  /** What was closed before it. */
  tried: Tried[];
}

export interface NotFound {
  service: string;
  tried: Tried[];
}

export function isClosed<T extends object>(result: T | Closed): result is Closed {
  return 'reason' in result;
}

export function isFound(result: Found | NotFound): result is Found {
  return 'way' in result;
}

/** Takes the first open way and tries none after it. */
export async function firstOpenWay(service: string, ways: readonly Way[]): Promise<Found | NotFound> {
  const tried: Tried[] = [];
  for (const way of ways) {
    const result = await way.open();
    if (!isClosed(result)) return { way: way.name, service: result, tried };
    tried.push({ way: way.name, reason: result.reason });
  }
  return { service, tried };
}

/** Which way was taken, and why not an earlier one. */
export function foundMessage({ way, service, tried }: Found): string {
  const closed = tried.map((earlier) => `${earlier.way}: ${earlier.reason}`).join('; ');
  return `${service.description}, by ${way}${closed && ` (${closed})`}`;
}

/** The one message for everything that is missing. */
export function missingServicesMessage(missing: readonly NotFound[]): string {
  return [
    `No ${missing.map(({ service }) => service).join(' and no ')} for the tests. There are three ways to provide it:`,
    '  1. set TEST_DATABASE_URL and TEST_REDIS_URL to servers that the tests may use',
    '     (a PostgreSQL user who may create databases and the extension postgis);',
    '  2. start Docker;',
    '  3. install PostgreSQL >= 15 with PostGIS >= 3.3 and redis-server on this machine. On Debian and Ubuntu:',
    '     apt-get install postgresql-NN-postgis-3 redis-server (run as root, the tests do it themselves).',
    'What was tried:',
    ...missing.flatMap(({ service, tried }) =>
      tried.map(({ way, reason }) => `  - ${service}, ${way}: ${reason}`),
    ),
  ].join('\n');
}
