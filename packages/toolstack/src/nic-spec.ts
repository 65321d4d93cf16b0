/*
 * One entry of xl.cfg's `vif` list (docs/man/xl-network-configuration): `key=value` separated by commas, all optional.
 */
import type { NicConfig } from './domain-config.ts';
import { parseRate } from './nic-rate.ts';
import { ToolstackError } from './toolstack-error.ts';

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** What is read and has no bearing on a PV interface here. */
const IGNORED: readonly string[] = ['type', 'gatewaydev', 'trusted', 'accel', 'backend'];

/**
 * @param devid the interface's place in the list
 * @param drawMac an address for an interface that names none
 * @throws ToolstackError
 */
export const parseNic = (spec: string, devid: number, drawMac: () => string): NicConfig => {
  const nic: { -readonly [K in keyof NicConfig]?: NicConfig[K] } = { devid };
  for (const item of spec.split(',')) {
    const text = item.trim();
    if (text === '') continue;
    const pair = /^([a-z]+)\s*=\s*(.*)$/s.exec(text);
    const key = pair?.[1] ?? '';
    const value = pair?.[2] ?? '';
    const rate = key === 'rate' ? parseRate(value) : undefined;
    if (key === 'mac' && MAC.test(value)) nic.mac = value.toLowerCase();
    else if (key === 'mtu' && /^\d{2,5}$/.test(value)) nic.mtu = Number(value);
    else if (key === 'devid' && /^\d{1,4}$/.test(value)) nic.devid = Number(value);
    else if (rate !== undefined) nic.rate = rate;
    else if (key === 'vifname') nic.ifname = value;
    else if (key === 'bridge' || key === 'ip' || key === 'script' || key === 'model') {
      nic[key] = value;
    } else if (!IGNORED.includes(key)) {
      throw new ToolstackError(
        `expected mac=, bridge=, ip=, script=, model=, mtu=, rate=, vifname= or devid= with a value of its kind, found ${JSON.stringify(text)}`,
      );
    }
  }
  return {
    ...nic,
    devid: nic.devid ?? devid,
    mac: nic.mac ?? drawMac(),
    bridge: nic.bridge ?? 'xenbr0',
  };
};
