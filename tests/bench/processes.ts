import { readdir, readFile, readlink } from 'node:fs/promises';

/** CPU seconds since their start, and resident bytes, of one or more processes together. */
export type Usage = { cpuSeconds: number; rssBytes: number };

/** Of Linux: `getconf CLK_TCK` is 100 on all processors that Node runs on. */
const TICKS_PER_SECOND = 100;

/** One process, all its threads, and those of its children that have ended: PostgreSQL has a process for each connection. */
export async function usageOf(pid: number): Promise<Usage> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, which may hold blanks, ends with the last bracket: the fields behind it are counted from 3 (proc(5))
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = [14, 15, 16, 17].reduce((sum, field) => sum + Number(fields[field - 3]), 0);
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const rss = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
  return { cpuSeconds: ticks / TICKS_PER_SECOND, rssBytes: rss * 1024 };
}

/** Every process that works in a directory: PostgreSQL with its backends. Shared memory is counted in each. */
export async function usageIn(directory: string): Promise<Usage> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const usages = await Promise.all(
    pids.map(async (pid) => {
      try {
        const place = await readlink(`/proc/${pid}/cwd`);
        if (place !== directory && !place.startsWith(`${directory}/`)) return undefined;
        return await usageOf(Number(pid));
      } catch (error) {
        // It has ended meanwhile, or is somebody else's
        if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? ''))
          return undefined;
        throw error;
      }
    }),
  );
  return usages.reduce<Usage>(
    (sum, usage) => ({
      cpuSeconds: sum.cpuSeconds + (usage?.cpuSeconds ?? 0),
      rssBytes: sum.rssBytes + (usage?.rssBytes ?? 0),
    }),
    { cpuSeconds: 0, rssBytes: 0 },
  );
}

/** What is measured, by name. */
export type Meters = Record<string, () => Promise<Usage>>;

export async function readAll(meters: Meters): Promise<Record<string, Usage>> {
  const entries = Object.entries(meters).map(async ([name, read]) => [name, await read()] as const);
  return Object.fromEntries(await Promise.all(entries));
}
