import { Bridge, type Cable, type Frame, type Port } from '@port-xen/bridge';
import { Sim } from '@port-xen/sim';
import { Xenstored } from '@port-xen/xenstore';
import { PlainDevice, PlainXen } from '@tooling/backend-testbed';
import { type Features, Xennetback } from '../src/index.ts';

/** A host of plain parts, a back end, a bridge, and somebody on it. */
export const world = (features: Partial<Features> = {}, cable: Cable = {}) => {
  const sim = new Sim(1);
  const xen = new PlainXen(sim);
  const xenstored = new Xenstored({ sim });
  const store = xenstored.connect(0);
  const bridge = new Bridge({ sim, name: 'xenbr0' });
  const heard: Frame[] = [];
  const peer: Port = bridge.attach('peer', { receive: (frame) => heard.push(frame) });
  const story: string[] = [];
  sim.trace.listenToStory((_time, _subsystem, text) => story.push(text));
  const back = new Xennetback({
    sim,
    hv: { dom0: xen },
    xenstored,
    bridge: (name) => (name === bridge.name ? bridge : undefined),
    features,
    cable,
  });
  const settle = (ns = 1_000_000) => sim.runFor(ns);
  const device = (domid: number) => new PlainDevice(store, 'vif', domid, 0);
  const backPath = (domid: number) => device(domid).back;
  const frontPath = (domid: number) => device(domid).front;
  const addDevice = (domid: number, more: Record<string, string> = {}) => {
    device(domid).add({ bridge: 'xenbr0', mac: `00:16:3e:00:00:0${domid}`, ...more });
    settle();
  };
  const backState = (domid: number) => store.tryRead(`${backPath(domid)}/state`);
  return {
    sim,
    xen,
    xenstored,
    store,
    bridge,
    peer,
    heard,
    story,
    back,
    settle,
    addDevice,
    backPath,
    frontPath,
    backState,
  };
};

export type World = ReturnType<typeof world>;
