import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Crowd, CrowdResult, LoadEvent, LoadRequest, LoadResult, Plan } from './load/plan.ts';
import { type Meters, readAll, type Usage } from './processes.ts';

export type Measured = {
  load: LoadResult;
  /** From the first measured position until all has settled. */
  cpuSeconds: Record<string, number>;
  /** At the end of the measured seconds, with all connections open. */
  rssBytes: Record<string, number>;
};

const GENERATOR = fileURLToPath(new URL('load/main.ts', import.meta.url));

const startGenerator = () =>
  fork(GENERATOR, { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });

/** Asks, and waits for the event that answers. `onOther`: what comes before. */
function ask(
  child: ChildProcess,
  request: LoadRequest,
  onOther?: (event: LoadEvent['event']) => void,
): Promise<Extract<LoadEvent, { result: unknown }>> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      child.off('message', onMessage);
      child.off('exit', onExit);
      settle();
    };
    const onMessage = (event: LoadEvent) => {
      if ('result' in event) end(() => resolve(event));
      else if (event.event === 'failed')
        end(() => reject(new Error(`the load generator failed: ${event.message}`)));
      else onOther?.(event.event);
    };
    const onExit = (status: number | null) =>
      end(() => reject(new Error(`the load generator ended with status ${status}`)));
    child.on('message', onMessage);
    child.once('exit', onExit);
    child.send(request);
  });
}

/** Runs a plan in a process of its own, and reads the meters around what is measured. */
export async function measure(plan: Plan, meters: Meters): Promise<Measured> {
  let before: Promise<Record<string, Usage>> = readAll(meters);
  let open: Promise<Record<string, Usage>> = before;
  const answer = await ask(startGenerator(), { ask: 'traffic', plan }, (event) => {
    if (event === 'measuring') before = readAll(meters);
    if (event === 'sent-all') open = readAll(meters);
  });
  const [first, loaded, last] = await Promise.all([before, open, readAll(meters)]);
  const names = Object.keys(meters);
  return {
    load: answer.result as LoadResult,
    cpuSeconds: Object.fromEntries(
      names.map((name) => [name, (last[name]?.cpuSeconds ?? 0) - (first[name]?.cpuSeconds ?? 0)]),
    ),
    rssBytes: Object.fromEntries(names.map((name) => [name, loaded[name]?.rssBytes ?? 0])),
  };
}

/** Connections held by a process of their own. */
export class HeldCrowd {
  private readonly child = startGenerator();

  async connect(crowd: Crowd): Promise<CrowdResult> {
    return (await ask(this.child, { ask: 'crowd', crowd })).result as CrowdResult;
  }

  async comeBack(): Promise<CrowdResult> {
    return (await ask(this.child, { ask: 'come-back' })).result as CrowdResult;
  }

  end(): void {
    this.child.send({ ask: 'go' } satisfies LoadRequest);
  }
}
