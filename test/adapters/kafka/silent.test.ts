/** A process that stands still goes on accepting connections: whoever took a request and did not answer it is asked last. */
import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { openWire } from '../../../src/adapters/kafka/wire.ts';

const int = (value: number, bytes: number): Buffer => { const b = Buffer.alloc(bytes); b.writeIntBE(value, 0, bytes); return b; };
const compact = (text: string): Buffer => Buffer.concat([int(text.length + 1, 1), Buffer.from(text)]);
const none = int(0, 1);

/** Takes Metadata v12 alone, and answers with the brokers at these ports and no topic; `still`: hangs up on every request instead. */
async function broker(ports: () => readonly number[]): Promise<{ readonly port: number; still: boolean; asked: number; stop(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const answer = (): Buffer => Buffer.concat([
    none, int(0, 4), int(ports().length + 1, 1), ...ports().map((port, i) => Buffer.concat([int(i + 1, 4), compact('127.0.0.1'), int(port, 4), none, none])), none, int(2, 4), int(1, 1), none,
  ]);
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    let bytes = Buffer.alloc(0);
    socket.on('data', (more) => {
      bytes = Buffer.concat([bytes, more]);
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
        const request = bytes.subarray(4, 4 + bytes.readInt32BE(0));
        bytes = bytes.subarray(4 + request.length);
        of.asked += 1;
        if (of.still) { socket.destroy(); return; }
        const body = Buffer.concat([request.subarray(4, 8), answer()]);
        socket.write(Buffer.concat([int(body.length, 4), body]));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const of = {
    port: (server.address() as AddressInfo).port, still: false, asked: 0,
    stop: async (): Promise<void> => { for (const socket of sockets) socket.destroy(); await new Promise((resolve) => server.close(resolve)); },
  };
  return of;
}

test('the broker that is asked first stands still: one request is lost to it, and the others ask somebody else', async () => {
  const ports: number[] = [];
  const [first, second] = [await broker(() => ports), await broker(() => ports)];
  ports.push(first.port, second.port);
  const wire = openWire({ name: 'old', bootstrap: ports.map((port) => `127.0.0.1:${port}`) });
  try {
    await wire.metadata([]);
    assert.deepEqual([first.asked, second.asked], [1, 0]);
    first.still = true;
    await assert.rejects(wire.metadata([]), /cluster old at 127\.0\.0\.1/);
    for (let i = 0; i < 3; i += 1) await wire.metadata([]);
    assert.deepEqual([first.asked, second.asked], [2, 3]);
    // It goes on, and the other one stands still: nobody is given up for good.
    first.still = false;
    second.still = true;
    await assert.rejects(wire.metadata([]), new RegExp(`at 127\\.0\\.0\\.1:${second.port}`));
    await wire.metadata([]);
    assert.deepEqual([first.asked, second.asked], [3, 4]);
  } finally {
    await wire.close();
    await Promise.all([first.stop(), second.stop()]);
  }
});
