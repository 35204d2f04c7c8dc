import type { Platform } from '../platform.ts';

/** For `env`: processes that collect their garbage when they are told to. */
export const COLLECT_ON_SIGNAL = {
  NODE_OPTIONS: `--import=${new URL('collect-on-signal.mjs', import.meta.url).href}`,
};

/** MiB that a process holds on its heap, without garbage. */
export async function heldMemory({ process: child, urls }: Platform): Promise<number> {
  child.kill('SIGUSR2');
  const metrics = await (await fetch(`${urls.metrics}/metrics`)).text();
  const bytes = /^fleetcast_nodejs_heap_size_used_bytes (\S+)$/m.exec(metrics)?.[1];
  if (bytes === undefined) throw new Error('no heap size among the metrics');
  return Number(bytes) / 2 ** 20;
}
