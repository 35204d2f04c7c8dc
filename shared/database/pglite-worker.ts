import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { postgis } from '@electric-sql/pglite-postgis';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';

/**
 * The embedded database in a thread of its own, so that a long query never holds up the event loop of the broker. Spoken to over a
 * Unix socket, as any PostgreSQL.
 */
export type WorkerData = { dataDir: string; socketPath: string; maxConnections: number };
export type WorkerMessage = { ready: true } | { failed: string };

async function start({ dataDir, socketPath, maxConnections }: WorkerData): Promise<void> {
  const db = await PGlite.create({ dataDir, extensions: { postgis } });
  const server = new PGLiteSocketServer({ db, path: socketPath, maxConnections });
  await server.start();
  parentPort?.on('message', async () => {
    await server.stop();
    await db.close();
    parentPort?.close();
  });
  parentPort?.postMessage({ ready: true } satisfies WorkerMessage);
}

start(workerData as WorkerData).catch((error: unknown) => {
  parentPort?.postMessage({
    failed: error instanceof Error ? error.message : String(error),
  } satisfies WorkerMessage);
  parentPort?.close();
});
