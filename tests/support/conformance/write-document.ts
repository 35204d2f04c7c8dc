import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { withStatements } from './document.ts';
import { statements } from './index.ts';

/* `npm run mqtt-table`: writes the statements into docs/MQTT.md. A test holds that they are there. */

const page = fileURLToPath(new URL('../../../docs/MQTT.md', import.meta.url));
await writeFile(page, withStatements(await readFile(page, 'utf8'), statements));
