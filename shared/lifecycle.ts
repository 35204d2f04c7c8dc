import type { Logger } from './telemetry/log.ts';

type Stop = () => Promise<unknown> | unknown;

/** Longest that a whole stop may take: container runtimes kill after 30 s. */
export const STOP_TIMEOUT_MS = 25_000;

/** What was started, to be stopped the other way round. */
export class Lifecycle {
  private readonly parts: { name: string; stop: Stop }[] = [];
  private stopping: Promise<void> | undefined;
  private readonly log: Logger;

  constructor(log: Logger) {
    this.log = log;
  }

  /** Remembers how to stop a part that has just been started. */
  started(name: string, stop: Stop): void {
    this.parts.push({ name, stop });
  }

  /** Stops every part once, the last one first. A part that fails does not keep the others from stopping. */
  stop(): Promise<void> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async stopAll(): Promise<void> {
    for (const { name, stop } of this.parts.splice(0).reverse()) {
      try {
        await stop();
      } catch (error) {
        this.log.error({ err: error, part: name }, 'a part could not be stopped');
      }
    }
  }
}

export type SignalSource = Pick<NodeJS.Process, 'on'>;

/** SIGTERM and SIGINT stop everything and end with status 0; a fault that nobody caught does the same with status 1. */
export function stopOnSignals(
  lifecycle: Lifecycle,
  log: Logger,
  source: SignalSource = process,
  exit: (status: number) => void = process.exit,
): (status: number) => void {
  let ending = false;
  const end = (status: number) => {
    if (ending) return;
    ending = true;
    setTimeout(() => {
      log.error('stopping took too long');
      exit(1);
    }, STOP_TIMEOUT_MS).unref();
    lifecycle.stop().then(
      () => {
        log.info({ status }, 'stopped');
        exit(status);
      },
      () => exit(1),
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    source.on(signal, () => {
      if (!ending) log.info({ signal }, 'stopping');
      end(0);
    });
  }
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    source.on(event, (error: unknown) => {
      log.fatal({ err: error }, event);
      end(1);
    });
  }
  return end;
}
