import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, BlockList, isIPv6 } from 'node:net';
import type { Registry } from 'prom-client';
import type { MetricsSettings } from '../config.ts';
import { type Health, healthAnswer } from '../health.ts';
import type { Logger } from './log.ts';
import type { HttpAnswer, LogLevelDoor } from './log-level.ts';

export type MetricsServer = { port: number; stop(): Promise<void> };

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/** IPv4 in IPv6 (RFC 4291, 2.5.5.2) is what a listener on `::` sees; a block list looks through it by itself. */
export const isLoopback = (address: string) => loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');

const digest = (text: string) => createHash('sha256').update(text).digest();

/**
 * Who may read /metrics, and change the log level: whoever shows the token, and without one this machine alone. How busy a fleet is, is nobody else's business.
 * Takes the same time for every wrong token.
 */
function refusal({ headers, socket }: IncomingMessage, token: Buffer | undefined): HttpAnswer | undefined {
  if (token === undefined)
    return isLoopback(socket.remoteAddress ?? '0.0.0.0')
      ? undefined
      : refused(403, 'METRICS_TOKEN is not set');
  const [, shown = ''] = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '') ?? [];
  if (timingSafeEqual(digest(shown), token)) return undefined;
  return {
    ...refused(401, 'METRICS_TOKEN is needed'),
    headers: { 'www-authenticate': 'Bearer realm="metrics"' },
  };
}

const refused = (status: number, why: string): HttpAnswer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${why}\n`,
});

/** `/metrics`, `/health*` and `/log-level`, in every role. Health is for everybody: probes come from outside, and learn no more than yes or no. */
export async function startMetricsServer(
  { host, port, token }: MetricsSettings,
  registry: Registry,
  health: Health,
  logLevel: LogLevelDoor,
  log: Logger,
): Promise<MetricsServer> {
  const expected = token === undefined ? undefined : digest(token);
  const answer = async (request: IncomingMessage): Promise<HttpAnswer> => {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    if (path === '/log-level') return refusal(request, expected) ?? logLevel.answer(request);
    if (path === '/metrics')
      return (
        refusal(request, expected) ?? {
          status: 200,
          type: registry.contentType,
          body: await registry.metrics(),
        }
      );
    const found = await healthAnswer(path, health);
    return {
      status: found?.status ?? 404,
      type: 'application/json',
      body: JSON.stringify(found?.body ?? { status: 'not found' }),
    };
  };
  const server = createServer((request, response) => {
    answer(request).then(
      ({ status, type, body, headers }) =>
        response.writeHead(status, { 'content-type': type, ...headers }).end(body),
      (error: Error) => response.destroy(error),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const { address, port: opened } = server.address() as AddressInfo;
  if (expected === undefined && !isLoopback(address))
    log.warn(
      { address, port: opened },
      '/metrics is for this machine alone, and 403 for all others: set METRICS_TOKEN, or METRICS_HOST=127.0.0.1',
    );
  return {
    port: opened,
    stop: () =>
      new Promise((resolve) => {
        logLevel.stop();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
