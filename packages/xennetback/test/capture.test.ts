import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completed } from '@port-xen/bridge';
import { PcapngWriter } from '@port-xen/pcapng';
import { debianPackage } from '@tooling/peers';
import { expect, test } from 'vitest';
import { Front, mac, tcpFrame } from './front.ts';
import { world } from './world.ts';

const CSUM_BLANK = 1;

/** A SYN from 10.0.0.5 whose checksum is left to the back end. */
const syn = (): Uint8Array => {
  const frame = tcpFrame(9, 5);
  frame.set([0, 0, 0, 0, 64, 6, 0x66, 0xc3, 10, 0, 0, 5, 10, 0, 0, 9], 18);
  frame.set([0x10, 0x00, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0], 34);
  return frame;
};

test('VIF-11: what a listener writes to a capture is whole: tshark finds nothing malformed and no bad checksum', () => {
  const tshark = debianPackage('tshark', '/usr/bin/tshark');
  const w = world();
  const chunks: Uint8Array[] = [];
  const capture = new PcapngWriter((chunk) => chunks.push(chunk), { application: 'port-xen' });
  const interfaces = new Map<string, number>();
  w.back.listen((vif, direction, frame) => {
    const address = Uint8Array.from(vif.mac.split(':'), (byte) => Number.parseInt(byte, 16));
    const number =
      interfaces.get(vif.mac) ?? capture.addInterface({ name: vif.name, mac: address });
    interfaces.set(vif.mac, number);
    capture.frame(number, { time_ns: w.sim.now_ns, bytes: completed(frame).bytes, direction });
  });
  w.addDevice(5);
  const front = new Front(w, 5);
  front.grant(20).set(syn());
  front.grant(21);
  front.state(4);
  front.post(21);
  front.transmit({ gref: 20, size: 54, flags: CSUM_BLANK });
  const answer = syn();
  answer.set(mac(5), 0);
  answer.set(mac(9), 6);
  w.peer.send({ bytes: answer, checksum: 'blank' });
  w.settle();
  capture.end();
  expect(w.back.counters).toMatchObject({ txFrames: 1, rxFrames: 1 });

  const folder = mkdtempSync(join(tmpdir(), 'xennetback-'));
  try {
    const file = join(folder, 'vif.pcapng');
    writeFileSync(file, Buffer.concat(chunks));
    const fields = ['frame.interface_name', 'ip.checksum.status', 'tcp.checksum.status'];
    const { stdout } = spawnSync(
      tshark,
      [
        ...['-r', file, '-o', 'ip.check_checksum:TRUE', '-o', 'tcp.check_checksum:TRUE'],
        ...['-T', 'fields', ...fields.flatMap((field) => ['-e', field]), '-e', '_ws.malformed'],
      ],
      { encoding: 'utf8' },
    );
    // A status of 1 is good. After the tabs would stand what is malformed.
    expect(stdout).toBe('vif5.0\t1\t1\t\n'.repeat(2));
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 600_000);
