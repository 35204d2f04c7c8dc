import { ConfigError, readConfig } from '../shared/config.ts';

/** Longer than a process takes for its own checks (2 s). */
const TIMEOUT_MS = 3000;

/**
 * `node dist/tools/health.js [/health/ready | /health/live]`: asks the process that has this one's configuration, on its metrics port.
 * Status 0: it answers with 200. For containers, whose image has neither curl nor wget.
 */
async function run([path = '/health/ready', ...more]: readonly string[]): Promise<void> {
  if (!path.startsWith('/health') || more.length > 0)
    throw new ConfigError(['usage: health [/health/ready | /health/live]']);
  const { host, port } = readConfig(process.env).metrics;
  const everywhere = host === '0.0.0.0' || host === '::';
  const address = everywhere ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  const response = await fetch(`http://${address}:${port}${path}`, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  process.stdout.write(`${await response.text()}\n`);
  if (!response.ok) process.exitCode = 1;
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  const isUsage = error instanceof ConfigError;
  const cause = (error as { cause?: { code?: string } }).cause?.code;
  process.stderr.write(`${isUsage ? error.message : `no answer (${cause ?? String(error)})`}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
