import { startBroker } from '../../broker/server.ts';
import { readConfig } from '../../shared/config.ts';
import { createMemoryEmitter } from '../../shared/emitter/memory.ts';
import { createMemorySessionStore } from '../../shared/session-store/memory.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { printResult } from '../shared/output.ts';
import { UsageError } from '../shared/usage-error.ts';
import { allowAll } from './allow-all.ts';
import { type ConformanceBrokerOptions, parseOptions } from './options.ts';

/*
 * `npm run -s conformance-broker -- [options]`: the broker of the platform, with its listeners, limits, sessions and queues as they are, and a
 * policy that allows everything: for conformance suites, which know nothing of tokens and of our topics. All in memory, no database.
 * SIGTERM or SIGINT ends it with status 0. 2: the arguments are wrong.
 */

async function run({ host, port, wsPort, refused }: ConformanceBrokerOptions): Promise<void> {
  // Of the environment nothing counts: the limits are the defaults
  const settings = { ...readConfig({}).mqtt, port, wsPort };
  const { limits } = settings;
  const broker = await startBroker({
    host,
    settings,
    policy: allowAll(refused, limits),
    emitter: createMemoryEmitter(),
    sessionStore: createMemorySessionStore(limits.maxQueuedMessages),
    metrics: createMetrics(),
    log: createLogger('warn'),
  });
  const stop = () => {
    // What keeps time in the libraries would keep the process as well
    void broker.stop(async () => undefined).finally(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const name = host.includes(':') ? `[${host}]` : host;
  printResult(
    `everybody is let in: mqtt://${name}:${broker.ports.mqtt} ws://${name}:${broker.ports.ws}/mqtt`,
  );
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options !== undefined) await run(options);
} catch (error) {
  const message = error instanceof UsageError ? error.message : String(error);
  process.stderr.write(`${message}\n`);
  // Half a broker would keep the process
  process.exit(error instanceof UsageError ? 2 : 1);
}
