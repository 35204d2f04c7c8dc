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

const tell = (message: WorkerMessage) => parentPort?.postMessage(message);

/** Parse, Bind, Describe, Execute, Close, Flush: answered for good only at the Sync after them (PostgreSQL manual, 55.2.3). */
const beforeSync = new Set(Array.from('PBDECH', (type) => type.charCodeAt(0)));

const READY_FOR_QUERY = 'Z'.charCodeAt(0);
const isReadyForQuery = (data: Uint8Array) => data.length === 6 && data[0] === READY_FOR_QUERY;

/**
 * Mends two faults of PGlite's side of the protocol.
 * - After an error it says ReadyForQuery at once, and at the Sync once more (electric-sql/pglite#958). A client takes the second one for
 *   the answer to its next statement, and from then on every answer for that of another statement. The first one is left out.
 * - Where it throws, its server answers nobody any more and does not say so (electric-sql/pglite#1046). `onLost` is told.
 */
function mendProtocol(db: PGlite, onLost: (error: unknown) => void): void {
  const execute = db.execProtocolRawStream.bind(db);
  db.execProtocolRawStream = async (message, { onRawData, ...options }) => {
    const early = beforeSync.has(message[0] ?? 0);
    try {
      await execute(message, {
        ...options,
        onRawData: (data) => {
          if (!(early && isReadyForQuery(data))) onRawData(data);
        },
      });
    } catch (error) {
      onLost(error);
      throw error;
    }
  };
}

function fail(error: unknown): void {
  tell({ failed: error instanceof Error ? error.message : String(error) });
}

/** Turns of the event loop that a closed connection may take to say goodbye, and a few more. */
const LAST_TURNS = 10;

async function start({ dataDir, socketPath, maxConnections }: WorkerData): Promise<void> {
  const db = await PGlite.create({ dataDir, extensions: { postgis } });
  mendProtocol(db, fail);
  const server = new PGLiteSocketServer({ db, path: socketPath, maxConnections });
  await server.start();
  parentPort?.on('message', async () => {
    await server.stop();
    // Its connections end a turn or two later, and still ask the database then
    for (let turn = 0; turn < LAST_TURNS; turn++) await new Promise(setImmediate);
    await db.close();
    // Ends this thread alone, and with it whatever would still ask
    process.exit(0);
  });
  tell({ ready: true });
}

start(workerData as WorkerData).catch((error: unknown) => {
  fail(error);
  parentPort?.close();
});
