/** Free ports: nobody else's, and nobody else is given them meanwhile. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { reservePorts } from '../../stack/ports.ts';

describe('free ports', () => {
  it('many reservations at once never share a port', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => reservePorts(8)));
    try {
      const ports = all.flatMap((one) => one.ports);
      assert.equal(new Set(ports).size, 160);
      assert.ok(ports.every((port) => port >= 20_000 && port < 32_000), 'below the range for outgoing connections');
    } finally {
      for (const one of all) one.release();
    }
  });

  it('a port somebody listens on is passed over', async () => {
    const first = await reservePorts(1);
    const [port = 0] = first.ports;
    const server = createServer();
    await new Promise<void>((resolve) => { server.listen(port, '127.0.0.1', resolve); });
    first.release();
    const many = await reservePorts(500);
    try {
      assert.equal(many.ports.includes(port), false);
    } finally {
      many.release();
      server.close();
    }
  });
});
