/*
 * A kernel with a control interface in a page of its own: what a restore does to shared_info's page the kernel does to it itself, and
 * start_info's port is one that it allocates. Everything else is as on a real host.
 */
import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import { type KernelImage, PAGE_SIZE } from '@port-xen/kern';
import { bytes, struct } from '@port-xen/layout';
import { xencons_ctrl_if_softc, xenconsCtrlIfText } from '@port-xen/xencons';
import { testKernel } from '@tooling/guest-testbed';
import {
  CtrlIf,
  ctrl_if_data,
  ctrl_if_shutdown_data,
  ctrlIfShutdownText,
  ctrlIfText,
} from '../src/index.ts';
import { Probe, probe_data } from './probe-kernel.ts';
import { probeText } from './probe-text.ts';

const page = struct('probe_page', { page: bytes(PAGE_SIZE) });

/** @param make the control interface, or one that lacks a step */
export const probeImage = (make: typeof CtrlIf = CtrlIf): KernelImage =>
  testKernel({
    attach: 'probe_attach',
    modules: {
      evtchn: { data: evtchn_data, text: evtchnText },
      upcall: { text: upcallText },
      ctrlIf: { data: ctrl_if_data, text: ctrlIfText },
      shutdown: { data: ctrl_if_shutdown_data, text: ctrlIfShutdownText },
      xencons: { data: xencons_ctrl_if_softc, text: xenconsCtrlIfText },
      probePage: { data: page, align: PAGE_SIZE },
      probe: { data: probe_data, text: probeText },
    },
    link: (base, at) => {
      const evtchn = new Evtchn(base.cpu, at('evtchn'), base.kern);
      const places = {
        data: at('probe'),
        page: at('probePage'),
        ctrlIf: at('ctrlIf'),
        console: at('xencons'),
        shutdown: at('shutdown'),
      };
      const probe = new Probe(base, places, evtchn, make);
      const { ctrlIf, console: xencons, shutdown } = probe;
      const upcall = { evtchn, sched: base.kern.sched };
      return {
        evtchn,
        linked: { evtchn, upcall, ctrlIf, xencons, shutdown, probe },
      };
    },
  });
