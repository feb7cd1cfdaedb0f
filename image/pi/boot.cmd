# Starts the slot that counts: the one on trial, once; else the good one; else the other (as image/pc/grub.cfg does).
# boot.env is 1024 octets with fixed places: the good slot's letter at 0x1e, the trial's at 0x26 (a line's end where there
# is none). Own addresses: a kernel of 38 MB does not fit below U-Boot's usual ones.
setenv block 0x06000000
setenv kernel 0x08000000
setenv ramdisk 0x0c000000
setenv esp "${devtype} ${devnum}:1"
setenv good A
setenv other B
setenv trial
if load ${esp} ${block} noroshi/boot.env; then
    setexpr place ${block} + 1e
    if itest.b *${place} == 42; then setenv good B; setenv other A; fi
    setexpr place ${block} + 26
    if itest.b *${place} == 41; then setenv trial A; fi
    if itest.b *${place} == 42; then setenv trial B; fi
fi
setenv slots "${good} ${other}"
if test "${trial}" = "${other}"; then
    # It has one start: whatever becomes of it, the next one is the good slot's.
    mw.b ${place} 0a
    setexpr place ${place} + 1
    mw.b ${place} 23
    fatwrite ${esp} ${block} noroshi/boot.env 400
    setenv slots "${other} ${good}"
fi
setenv args
if load ${esp} ${block} noroshi.args; then env import -t ${block} ${filesize} args; fi
for slot in ${slots}; do
    if test ${slot} = A; then setenv part 5; setenv id @ROOT_A@; else setenv part 7; setenv id @ROOT_B@; fi
    setenv bootargs "root=PARTUUID=${id} rauc.slot=${slot} @CMDLINE@ console=tty0 ${args}"
    if load ${devtype} ${devnum}:${part} ${kernel} vmlinuz; then
        if load ${devtype} ${devnum}:${part} ${ramdisk} initrd; then booti ${kernel} ${ramdisk}:${filesize} ${fdt_addr}; fi
    fi
done
echo "noroshi: no slot starts"
sleep 60
reset
