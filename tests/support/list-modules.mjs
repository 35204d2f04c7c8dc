// Imported by the processes under test: when they end, they tell how many modules of OpenTelemetry's SDK they have loaded. (Its API
// comes with prom-client, and does nothing by itself.)
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const { cache } = createRequire(import.meta.url);
if (isMainThread)
  process.on('exit', () => {
    const loaded = Object.keys(cache).filter((path) => /@opentelemetry.(?!api.)/.test(path));
    writeSync(2, `modules of the SDK: ${loaded.length}\n`);
  });
