import { createServer } from 'node:net';
import { Aedes } from 'aedes';

/** Aedes as it comes, in memory. */
const broker = await Aedes.createBroker();
createServer({ noDelay: true }, (socket) => void broker.handle(socket)).listen(
  Number(process.argv[2]),
  '127.0.0.1',
);
