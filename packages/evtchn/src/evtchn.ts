/*
 * Event dispatch (sys/arch/xen/xen/evtchn.c, hypervisor_machdep.c) over Xen's two-level event channels.
 *
 *     Xen: pending[port] → pending_sel[port / 64] → upcall_pending → hypervisor_callback     (Xen 2: port / 32)
 *
 *     port ─evtsource[port]→ slot { leaf, argument, level, name, pending }
 *
 * A port is masked while it is handled, and stays masked while its level is not above the current one; then it is marked
 * and {@link Evtchn.dispatchPending} runs it when the level falls. Unmasking looks for an event that came meanwhile,
 * because Xen does not deliver it again.
 */
import { NR_VIRQS, VIRQ_DEBUG } from '@port-xen/abi';
import { IPL_HIGH, kassert } from '@port-xen/kern';
import { cString, textOf, type View } from '@port-xen/layout';
import { EventPorts } from './event-ports.ts';
import { evtchn_data, type evtsource, NEVTSOURCE } from './evtchn-data.ts';

export class Evtchn extends EventPorts {
  #pendingWord(word: number): number {
    const { sharedInfo, layout } = this.kern.spl;
    return sharedInfo + layout.evtchnPending + 4 * word;
  }

  #maskWord(word: number): number {
    const { sharedInfo, layout } = this.kern.spl;
    return sharedInfo + layout.evtchnMask + 4 * word;
  }

  /** events_default_setup: nothing is bound, every port is masked. At boot, and when the domain is a new one. */
  reset(): void {
    const { memory } = this.cpu;
    memory.write(this.data, new Uint8Array(evtchn_data.size));
    const d = this.d;
    for (let virq = 0; virq < NR_VIRQS; virq++) d.virq_to_evtch.set(virq, -1);
    memory.write(this.#maskWord(0), new Uint8Array(this.kern.spl.layout.nrPorts / 8).fill(0xff));
    this.kern.spl.setDispatch(this.cpu.sym('evtchn_dispatch_pending'));
  }

  /** events_init: from here on upcalls are taken. */
  init(): void {
    const port = this.bindVirq(VIRQ_DEBUG);
    this.setHandler(port, this.cpu.sym('xen_debug_handler'), port, IPL_HIGH, 'debug');
    this.enable(port);
    this.kern.spl.enableIntr();
  }

  /** No handler runs from here on. VIRQ_DEBUG's channel is closed. */
  suspend(): void {
    this.kern.spl.disableIntr();
    const port = this.unbindVirq(VIRQ_DEBUG);
    this.mask(port);
    this.removeHandler(port);
  }

  /** event_set_handler: the leaf(arg) that runs at `level` when the port fires. The port stays masked. */
  setHandler(port: number, func: number, arg: number, level: number, name: string): void {
    const d = this.d;
    const { nrPorts } = this.kern.spl.layout;
    kassert(
      port > 0 && port < nrPorts,
      `evtchn: expected a port within [1, ${nrPorts}), found ${port}`,
    );
    kassert(d.slot_of.get(port) === 0, `evtchn: port ${port} has a handler already`);
    for (let slot = 0; slot < NEVTSOURCE; slot++) {
      const source = d.sources.at(slot);
      if (source.ev_func !== 0) continue;
      source.ev_port = port;
      source.ev_maxlevel = level;
      source.ev_func = func;
      source.ev_arg = arg;
      source.ev_pending = 0;
      source.ev_evname = cString(name.slice(0, 15));
      d.slot_of.set(port, slot + 1);
      return;
    }
    kassert(false, `evtchn: expected at most ${NEVTSOURCE} handlers`);
  }

  /** event_remove_handler. The channel itself is left as it is. */
  removeHandler(port: number): void {
    const source = this.#sourceOf(port);
    kassert(source !== undefined, `evtchn: port ${port} has no handler`);
    source.ev_func = 0;
    this.d.slot_of.set(port, 0);
  }

  #sourceOf(port: number): View<typeof evtsource> | undefined {
    const d = this.d;
    const slot = d.slot_of.get(port);
    return slot === 0 ? undefined : d.sources.at(slot - 1);
  }

  /** The name given to a port's handler; '' when it has none. */
  nameOf(port: number): string {
    const source = this.#sourceOf(port);
    return source === undefined ? '' : textOf(source.ev_evname);
  }

  /** hypervisor_mask_event. */
  mask(port: number): void {
    const { memory } = this.cpu;
    const word = this.#maskWord(port >>> 5);
    memory.st32(word, memory.ld32(word) | (1 << (port & 31)));
  }

  /** hypervisor_enable_event: unmasks, and raises again what came while the port was masked. */
  enable(port: number): void {
    const { memory } = this.cpu;
    const bit = 1 << (port & 31);
    const word = this.#maskWord(port >>> 5);
    memory.st32(word, memory.ld32(word) & ~bit);
    if ((memory.ld32(this.#pendingWord(port >>> 5)) & bit) === 0) return;
    const { spl } = this.kern;
    const { layout, vcpu } = spl;
    const selected = (port >>> 5) / layout.wordsPerBit;
    const selector = vcpu + layout.pendingSel + 4 * (selected >>> 5);
    memory.st32(selector, memory.ld32(selector) | (1 << (selected & 31)));
    spl.upcallPending = 1;
    if (spl.upcallMask === 0) spl.enableIntr();
  }

  /** do_hypervisor_callback: everything that is pending and not masked, lowest port first. */
  dispatch(): void {
    const { memory } = this.cpu;
    const { spl } = this.kern;
    const { layout, vcpu } = spl;
    const { wordsPerBit, pendingSelWords } = layout;
    while (spl.upcallPending !== 0) {
      spl.upcallPending = 0;
      for (let high = 0; high < pendingSelWords; high++) {
        const address = vcpu + layout.pendingSel + 4 * high;
        let selected = memory.ld32(address);
        memory.st32(address, 0);
        while (selected !== 0) {
          const bit = 31 - Math.clz32(selected & -selected);
          selected &= ~(1 << bit);
          const first = (32 * high + bit) * wordsPerBit;
          for (let i = 0; i < wordsPerBit; i++) this.#dispatchWord(first + i);
        }
      }
    }
    this.dispatchPending(spl.level);
  }

  /** 32 ports: takes what is pending and not masked, masks it, handles it. */
  #dispatchWord(word: number): void {
    const { memory } = this.cpu;
    const pendingWord = this.#pendingWord(word);
    const maskWord = this.#maskWord(word);
    let fired = memory.ld32(pendingWord) & ~memory.ld32(maskWord);
    memory.st32(maskWord, memory.ld32(maskWord) | fired);
    memory.st32(pendingWord, memory.ld32(pendingWord) & ~fired);
    while (fired !== 0) {
      const bit = 31 - Math.clz32(fired & -fired);
      fired &= ~(1 << bit);
      this.#event(32 * word + bit);
    }
  }

  /** evtchn_do_event. A port without a handler stays masked. */
  #event(port: number): void {
    const source = this.#sourceOf(port);
    if (source === undefined) return;
    const { spl } = this.kern;
    if (source.ev_maxlevel <= spl.level) {
      source.ev_pending = 1;
      spl.setPending(source.ev_maxlevel);
      return;
    }
    this.#run(source);
  }

  #run(source: View<typeof evtsource>): void {
    const { spl } = this.kern;
    const port = source.ev_port;
    const level = spl.level;
    spl.setLevel(source.ev_maxlevel);
    this.cpu.call(source.ev_func, source.ev_arg);
    spl.setLevel(level);
    if (this.d.slot_of.get(port) !== 0) this.enable(port);
  }

  /** Runs what waits above `level`, the highest first: events that were held back, then soft interrupts. */
  dispatchPending(level: number): void {
    const { spl, softint } = this.kern;
    for (let waiting = spl.takePending(level); waiting >= 0; waiting = spl.takePending(level)) {
      const d = this.d;
      for (let slot = 0; slot < NEVTSOURCE; slot++) {
        const source = d.sources.at(slot);
        if (source.ev_pending === 0 || source.ev_maxlevel !== waiting) continue;
        source.ev_pending = 0;
        if (source.ev_func !== 0) this.#run(source);
      }
      spl.setLevel(waiting);
      softint.run(waiting);
      spl.setLevel(level);
    }
  }
}
