/** Whether a part of this process answers. Rejects, with why, when it doesn't. */
export type HealthCheck = () => Promise<void>;

export type HealthReport = { status: 'ok' | 'unavailable'; checks: Record<string, string> };

/** A part that takes longer is as good as gone for whoever asks. */
const CHECK_TIMEOUT_MS = 2000;

/** The parts of this process, each with its check; they are added as they start. */
export class Health {
  private readonly checks = new Map<string, HealthCheck>();
  readonly startedAt = Date.now();

  add(name: string, check: HealthCheck): void {
    this.checks.set(name, check);
  }

  /** Asks all parts at once. */
  async report(): Promise<HealthReport> {
    const results = await Promise.all(
      [...this.checks].map(async ([name, check]) => [name, await outcome(check)]),
    );
    const checks: Record<string, string> = Object.fromEntries(results);
    const status = Object.values(checks).every((result) => result === 'ok') ? 'ok' : 'unavailable';
    return { status, checks };
  }
}

async function outcome(check: HealthCheck): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${CHECK_TIMEOUT_MS} ms`), CHECK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([check().then(() => 'ok'), late]);
  } catch (error) {
    // Its code, not its message: that may name hosts and users to strangers
    return String((error as { code?: unknown } | undefined)?.code ?? 'failed');
  } finally {
    clearTimeout(timer);
  }
}

/** The answers of `/health`, `/health/live` and `/health/ready`, for every HTTP server that gives them. */
export async function healthAnswer(
  path: string,
  health: Health,
): Promise<{ status: number; body: object } | undefined> {
  const uptimeSeconds = Math.round((Date.now() - health.startedAt) / 1000);
  if (path === '/health/live') return { status: 200, body: { status: 'ok', uptimeSeconds } };
  if (path !== '/health' && path !== '/health/ready') return undefined;
  const report = await health.report();
  return { status: report.status === 'ok' ? 200 : 503, body: { ...report, uptimeSeconds } };
}
