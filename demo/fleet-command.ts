/**
 * The program of the demo's command fleets: `fleet-command.ts <supervisor url> <file with its token> stop|start|ask [beside]`. What a
 * real one would do with systemd, ssh or a deployment tool, this one does by calling the demo's supervisor.
 */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';

const [url = '', tokenFile = '', verb = '', how = ''] = process.argv.slice(2);
const { CUTOVER_APPLICATION: application = '', CUTOVER_SIDE: on = '', CUTOVER_UNTIL_MS: until = '' } = process.env;
const asking = verb === 'ask';

const call = request(`${url}/${verb}${asking ? `?application=${encodeURIComponent(application)}` : ''}`, {
  method: asking ? 'GET' : 'POST',
  headers: { authorization: `Bearer ${readFileSync(tokenFile, 'utf8')}`, 'content-type': 'application/json' },
}, (answer) => {
  let body = '';
  answer.setEncoding('utf8').on('data', (chunk: string) => { body += chunk; }).on('end', () => {
    if (answer.statusCode === 200) process.stdout.write(`${body}\n`);
    else process.stderr.write(`${body}\n`);
    process.exitCode = answer.statusCode === 200 ? 0 : 1;
  });
});
call.on('error', (e) => {
  process.stderr.write(`The demo's supervisor does not answer: ${e.message}\n`);
  process.exitCode = 1;
});
call.end(asking ? undefined : JSON.stringify({ application, ...(on === '' ? {} : { on }), ...(how === 'beside' ? { beside: true } : {}), ...(until === '' ? {} : { untilMs: Number(until) }) }));
