import type { Platform } from '../platform.ts';

/** What the platform shows of itself now. */
export async function metricsOf({ urls }: Platform): Promise<{ sum(name: string): number }> {
  const text = await (await fetch(`${urls.metrics}/metrics`)).text();
  return {
    /** Of all that have this name, whatever their labels. Fails where there is none. */
    sum(name) {
      const values = text
        .split('\n')
        .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
        .map((line) => Number(line.split(' ').at(-1)));
      if (values.length === 0) throw new Error(`there is no metric ${name}`);
      return values.reduce((sum, value) => sum + value, 0);
    },
  };
}
