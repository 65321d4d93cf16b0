/*
 * The save file of a suspended domain (xl, libxl, xc_domain_save): headers, what does not change, the P2M's place, all pages,
 * time, shared_info, the vCPUs that are online.
 */
import { SHUTDOWN_suspend } from '@port-xen/abi';
import type { Hypervisor } from '@port-xen/hypervisor';
import { BytesMemory } from '@port-xen/layout';
import {
  canonicaliseVcpu,
  canonicaliseVcpu0,
  ImageWriter,
  type Sink,
} from '@port-xen/migration-stream';
import { GuestFrames } from './guest-frames.ts';
import { type GuestP2m, readGuestP2m } from './guest-p2m.ts';
import { savePages } from './save-pages.ts';
import { ToolstackError } from './toolstack-error.ts';

/** The Xen that a save file says it is from. */
const XEN_MAJOR = 4;
const XEN_MINOR = 17;

/** The XSAVE record's header, after which there may be nothing to restore. */
const XSAVE_HEADER = 16;

const saveVcpus = (hv: Hypervisor, domid: number, p2m: GuestP2m, writer: ImageWriter): void => {
  const { domctl } = hv;
  const { maxVcpuId } = domctl.getDomainInfo(domid);
  for (let vcpu = 0; vcpu <= maxVcpuId; vcpu++) {
    if (!domctl.vcpuInfo(domid, vcpu).online) continue;
    const context = domctl.getVcpuContext(domid, vcpu);
    writer.vcpuBasic(
      vcpu,
      vcpu === 0
        ? canonicaliseVcpu0(context, p2m.pfnOf)
        : canonicaliseVcpu(vcpu, context, p2m.pfnOf),
    );
    writer.vcpuExtended(vcpu, domctl.getExtVcpuContext(domid, vcpu));
    const xsave = domctl.getVcpuExtState(domid, vcpu);
    if (xsave.length >= XSAVE_HEADER) writer.vcpuXsave(vcpu, xsave);
    const msrs = domctl.getVcpuMsrs(domid, vcpu);
    if (msrs.length > 0) writer.vcpuMsrs(vcpu, msrs);
  }
};

/** What a save wrote, for the story. */
export interface SaveReport {
  readonly bytes: number;
  readonly data_pages: number;
  readonly table_pages: number;
  readonly absent_pages: number;
}

/**
 * Writes the whole file at once.
 *
 * @param configJson the domain's configuration
 * @throws ToolstackError, FrameError or XenError; what the sink has by then is no save file
 */
export const saveImage = (
  hv: Hypervisor,
  domid: number,
  configJson: string,
  sink: Sink,
): SaveReport => {
  const { domctl } = hv;
  const info = domctl.getDomainInfo(domid);
  if (!info.shutdown || info.shutdownReason !== SHUTDOWN_suspend) {
    throw new ToolstackError('Domain has not been suspended');
  }
  const sharedInfo = new GuestFrames(hv, domid).copy(info.sharedInfoMfn);
  const p2m = readGuestP2m(hv, domid, new BytesMemory(sharedInfo));
  const policy = domctl.getCpuPolicy(domid);

  const writer = new ImageWriter(sink);
  writer.xlHeader(configJson);
  writer.libxlHeader();
  writer.libxcContext();
  writer.imageHeader();
  writer.domainHeader(XEN_MAJOR, XEN_MINOR);
  writer.x86PvInfo();
  if (policy.leaves.length > 0) writer.cpuidPolicy(policy.leaves);
  if (policy.msrs.length > 0) writer.msrPolicy(policy.msrs);
  writer.staticDataEnd();
  writer.p2mFrames(p2m.maxPfn, p2m.leafPfns);
  const counts = savePages(hv, domid, p2m, writer);
  writer.tscInfo(domctl.getTscInfo(domid));
  writer.sharedInfo(sharedInfo);
  saveVcpus(hv, domid, p2m, writer);
  writer.end();
  writer.libxlEnd();
  return {
    bytes: writer.offset,
    data_pages: counts.data,
    table_pages: counts.tables,
    absent_pages: counts.none,
  };
};
