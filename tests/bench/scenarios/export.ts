import { token } from '../../support/platform.ts';
import { usageOf } from '../processes.ts';
import type { Stage } from '../stage.ts';
import { withDatabase } from '../stored.ts';

export type ExportResult = { rows: number; seconds: number; bytes: number; apiPeakRssBytes: number };

/** A track of one driver, one position every 50 ms. Whole milliseconds: the platform stores no others. */
const TRACK = `
insert into location_history (driver_id, recorded_at, received_at, location, speed, bearing)
select 'exported', date_trunc('milliseconds', now()) - i * interval '50 milliseconds', now(),
       st_setsrid(st_makepoint(23.7 + (i % 1000) / 10000.0, 37.9), 4326)::geography, 12.5, 90
  from generate_series(1, $1::int) as i`;

const LOOK_EVERY_MS = 100;

/** The history of one driver as CSV, page by page. */
export async function runExport(stage: Stage, rows: number): Promise<ExportResult> {
  const { api, databaseUrl } = stage;
  await withDatabase(databaseUrl, (client) => client.query(TRACK, [rows]));
  const authorization = `Bearer ${await token('OPERATOR', 'bench')}`;
  let peak = 0;
  const look = setInterval(async () => {
    peak = Math.max(peak, (await usageOf(api.process.pid as number)).rssBytes);
  }, LOOK_EVERY_MS);
  try {
    const begun = performance.now();
    const response = await fetch(`${api.urls.rest}/v1/drivers/exported/history?format=csv`, {
      headers: { authorization },
    });
    if (!response.ok || response.body === null)
      throw new Error(`history: ${response.status} ${await response.text()}`);
    let bytes = 0;
    let lines = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      for (const byte of chunk) if (byte === 10) lines++;
    }
    // The first one names the columns
    return { rows: lines - 1, seconds: (performance.now() - begun) / 1000, bytes, apiPeakRssBytes: peak };
  } finally {
    clearInterval(look);
  }
}
