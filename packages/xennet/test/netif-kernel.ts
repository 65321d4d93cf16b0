/*
 * A kernel with interfaces over the controller interface and nothing to do with them. There is no controller interface: what the driver
 * sends is kept and answered at once, and what the test says is given to the driver.
 */
import {
  CMSG_NETIF_FE,
  CMSG_NETIF_FE_DRIVER_STATUS,
  CMSG_NETIF_FE_INTERFACE_CONNECT,
  CMSG_NETIF_FE_INTERFACE_DISCONNECT,
  CMSG_NETIF_FE_INTERFACE_QUERY,
  CMSG_NETIF_FE_INTERFACE_STATUS,
  control_msg,
  NETIF_INTERFACE_STATUS_DISCONNECTED,
  NETIF_RSP_ERROR,
  netif_fe_interface_connect,
  netif_fe_interface_disconnect,
  netif_fe_interface_query,
  netif_fe_interface_status,
  XEN2_NETIF_RING_SIZE,
  xen2_netif_rx_ring,
} from '@port-xen/abi';
import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import { call, done, type KernelImage, leaf, PAGE_SIZE, routine, type Text } from '@port-xen/kern';
import { copy, nest, struct, u32, u64 } from '@port-xen/layout';
import { type TestBase, testKernel } from '@tooling/guest-testbed';
import { netif_data, netifText, XennetCtrlIf } from '../src/index.ts';
import { flipPmap } from './flip-pmap.ts';
import { poolModules, poolUvm } from './pool.ts';
import { stack_clusters, stack_data, stackText, TestStack } from './test-stack.ts';

const PAYLOAD = control_msg.offset.msg;
const NICS = 2;
/** The first interface's; the second's ends in 2. */
export const MAC_BYTES: Uint8Array = Uint8Array.of(0, 0x16, 0x3e, 0, 0, 1);

const controller_data = struct('test_controller', {
  /** The frames that the driver asked to be connected, and how often it did. */
  tx: u64,
  rx: u64,
  connects: u32,
  /** How often it said that it is up. */
  announced: u32,
  /** Interfaces that it asked to be disconnected: a bit each. */
  disconnected: u32,
  /** Whether it speaks while the domain leaves. */
  interrupts: u32,
  /** Whether the back end answers in the receive ring just before it lets go, and no event tells of it. */
  lastWord: u32,
  pad: u32,
  told: nest(control_msg),
});

interface Controller {
  readonly base: TestBase;
  readonly data: number;
  readonly xennet: XennetCtrlIf;
}

const c = (m: Controller) => controller_data.at(m.base.cpu.memory, m.data);

/** INTERFACE_STATUS of interface 0. */
const tell = (m: Controller, status: number, port: number): void => {
  const { cpu } = m.base;
  const { told } = c(m);
  told.type = CMSG_NETIF_FE;
  told.subtype = CMSG_NETIF_FE_INTERFACE_STATUS;
  told.length = netif_fe_interface_status.size;
  const said = netif_fe_interface_status.at(cpu.memory, told.address + PAYLOAD);
  said.handle = 0;
  said.status = status;
  said.evtchn = port;
  said.mac = MAC_BYTES;
  cpu.call(cpu.sym('xennet_ctrlif_rx'), told.address);
};

/** A receive response of the back end's that says that there was an error. */
const lastWord = (m: Controller): void => {
  const { memory } = m.base.cpu;
  const { page } = m.xennet.d.softcs.at(0).nt_rx;
  const ring = xen2_netif_rx_ring.at(memory, page);
  const entry = ring.ring.at(ring.resp_prod % XEN2_NETIF_RING_SIZE);
  const { id } = entry.req;
  entry.resp.id = id;
  entry.resp.status = NETIF_RSP_ERROR;
  ring.resp_prod++;
};

const controllerText: Text<Controller> = {
  /** The interfaces, and a device nearer to the root than they are, which is therefore suspended after them. */
  test_attach: leaf((m, parent) => {
    const { cpu, kern } = m.base;
    const { autoconf } = kern;
    const dv = autoconf.attach('controller0', autoconf.devices()[0]?.address ?? 0, 0);
    autoconf.pmfRegister(dv, cpu.sym('test_controller_suspend'), 0);
    cpu.call(cpu.sym('xennet_attach'), parent);
  }),
  test_controller_suspend: routine(struct('test_interrupting', { pad: u64 }), {
    start: (m) => {
      if (c(m).interrupts === 0) return done(1);
      tell(m, NETIF_INTERFACE_STATUS_DISCONNECTED, 0);
      return call('slept', m.base.cpu.sym('tsleep'), m.data, 2);
    },
    slept: () => done(1),
  }),
  test_interrupts: leaf((m, is) => {
    c(m).interrupts = is;
  }),
  /** (msg, rsp): answered at once. */
  ctrl_if_send_message_and_get_response: leaf((m, msg, rsp) => {
    const { memory } = m.base.cpu;
    copy(memory, rsp, msg, control_msg.size);
    const { subtype } = control_msg.at(memory, msg);
    if (subtype === CMSG_NETIF_FE_INTERFACE_QUERY) {
      const said = netif_fe_interface_query.at(memory, rsp + PAYLOAD);
      if (said.handle < NICS) said.mac = MAC_BYTES.with(5, said.handle + 1);
    } else if (subtype === CMSG_NETIF_FE_INTERFACE_CONNECT) {
      const asked = netif_fe_interface_connect.at(memory, msg + PAYLOAD);
      c(m).tx = asked.tx_shmem_frame;
      c(m).rx = asked.rx_shmem_frame;
      c(m).connects++;
    } else if (subtype === CMSG_NETIF_FE_DRIVER_STATUS) {
      c(m).announced++;
    } else if (subtype === CMSG_NETIF_FE_INTERFACE_DISCONNECT) {
      const { handle } = netif_fe_interface_disconnect.at(memory, msg + PAYLOAD);
      c(m).disconnected |= 1 << handle;
      if (handle === 0 && c(m).lastWord !== 0) lastWord(m);
    }
    return 0;
  }),
  test_connects: leaf((m) => c(m).connects),
  test_announced: leaf((m) => c(m).announced),
  test_disconnected: leaf((m) => c(m).disconnected),
  test_last_word: leaf((m, is) => {
    c(m).lastWord = is;
  }),
  test_tx_frame: leaf((m) => c(m).tx),
  test_rx_frame: leaf((m) => c(m).rx),
  /** (status, port) */
  test_tell: leaf((m, status, port) => tell(m, status, port)),
};

export const netifKernel = (): KernelImage =>
  testKernel({
    attach: 'test_attach',
    modules: {
      evtchn: { data: evtchn_data, text: evtchnText },
      upcall: { text: upcallText },
      controller: { data: controller_data, text: controllerText },
      xennet: { data: netif_data, text: netifText },
      stack: { data: stack_data, text: stackText },
      clusters: { data: stack_clusters, align: PAGE_SIZE },
      ...poolModules,
    },
    link: (base, at) => {
      const { cpu, kern } = base;
      const evtchn = new Evtchn(cpu, at('evtchn'), kern);
      const stack = new TestStack(cpu, at('stack'), at('clusters'));
      const flip = flipPmap(base, kern);
      const pmap = {
        ...flip,
        nrPages: base.pmap.nrPages,
        paOf: (mfn: number) => base.pmap.paOf(mfn),
        extractMfn: (_: number, va: number) => base.pmap.mfnOf(base.pmap.extract(0, va)),
        // The test's back end gives none that Xen would not let be mapped.
        tryReplaceMa: (va: number, mfn: number, writable: boolean) => {
          flip.kreplaceMa(va, mfn, writable);
          return true;
        },
      };
      const uvm = poolUvm(cpu, at);
      const ctrlIf = { registerReceiver: () => true, sendResponse: () => true };
      const parts = { cpu, kern, evtchn, pmap, uvm, ctrlIf, stack };
      const xennet = new XennetCtrlIf(at('xennet'), parts);
      const linked = {
        evtchn,
        upcall: { evtchn, sched: kern.sched },
        controller: { base, data: at('controller'), xennet },
        xennet,
        stack,
      };
      return { evtchn, linked };
    },
  });
