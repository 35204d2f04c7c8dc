import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { databaseDir, lockDataDir, prepareDataDir, socketDir } from './data-dir.ts';
import type { Database } from './index.ts';
import { createProcessLocks } from './locks.ts';
import type { WorkerData, WorkerMessage } from './pglite-worker.ts';
import { connect } from './postgres.ts';

/** pg's name for a Unix socket: folder and port make `.s.PGSQL.<port>`. */
const PORT = 5432;

/**
 * All connections of PGlite's socket server share one PostgreSQL session and their messages interleave, so that a Bind of one
 * could meet the Parse of another. With one connection of ours there is nothing to interleave; PGlite runs one
 * statement at a time anyway.
 */
const POOL_SIZE = 1;
/** Room for migrations and a psql beside it. */
const MAX_CONNECTIONS = 10;

/** A build is plain JavaScript. From source, a worker thread on Node 20 has to bring the loader in itself. */
function createWorker(workerData: WorkerData): Worker {
  if (import.meta.url.endsWith('.js'))
    return new Worker(new URL('./pglite-worker.js', import.meta.url), { workerData });
  const api = new URL('index.mjs', pathToFileURL(createRequire(import.meta.url).resolve('tsx/esm/api'))).href;
  const url = new URL('./pglite-worker.ts', import.meta.url).href;
  const load = `import(${JSON.stringify(api)}).then((tsx) => tsx.tsImport(${JSON.stringify(url)}, ${JSON.stringify(import.meta.url)}))`;
  return new Worker(load, { eval: true, workerData, execArgv: [] });
}

function startWorker(workerData: WorkerData, onLost: (error: Error) => void): Promise<Worker> {
  return new Promise((resolve, reject) => {
    const worker = createWorker(workerData);
    let ready = false;
    const fail = (error: Error) => (ready ? onLost(error) : reject(error));
    worker.once('error', fail);
    worker.once('exit', (code) => {
      if (code !== 0) fail(new Error(`the embedded database ended with status ${code}`));
    });
    worker.on('message', (message: WorkerMessage) => {
      if ('failed' in message) return fail(new Error(`the embedded database: ${message.failed}`));
      ready = true;
      resolve(worker);
    });
  });
}

/**
 * PGlite with PostGIS, kept under `dataDir`. A first start creates the database.
 * @param onLost the database's thread died: nothing can be kept any more
 * @throws when another process has the folder, or it holds no database that can be opened
 */
export async function openEmbeddedDatabase(
  dataDir: string,
  onLost: (error: Error) => void,
): Promise<Database> {
  const directory = prepareDataDir(dataDir);
  const unlock = await lockDataDir(directory);
  const sockets = socketDir(directory);
  const { path, opened } = databaseDir(directory);
  let closing = false;
  const worker = await startWorker(
    {
      dataDir: path,
      socketPath: join(sockets, `.s.PGSQL.${PORT}`),
      maxConnections: MAX_CONNECTIONS,
    },
    // What it says while it goes is nobody's loss: all that was committed is on disk
    (error) => {
      if (!closing) onLost(error);
    },
  );
  opened();
  // From the beginning: where the thread has died, nothing would ever tell
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const connectionString = `postgresql://postgres@/postgres?host=${encodeURIComponent(sockets)}&port=${PORT}`;
  const pool = connect(connectionString, {
    poolSize: POOL_SIZE,
    idleTimeoutMillis: 0,
    // The session outlives its connections: what the last one has prepared is still there, and can't be prepared again
    onConnect: (client) => client.query('deallocate all'),
  });
  return {
    queries: pool.queries,
    locks: createProcessLocks(pool.queries),
    connectionString,
    description: `embedded PostgreSQL in ${directory}`,
    async close() {
      closing = true;
      await pool.close();
      worker.postMessage('close');
      await ended;
      unlock();
    },
  };
}
