// A box for the box: a tub with the board, and a lid with two buttons and the light. A sketch, printed by nobody yet.
// Choose the board, render both parts (F6), export each as STL; or from a shell:
//   openscad -D 'board="zero2w"' -D 'part="lid"' -o lid.stl hardware/case.scad
// Both print as they lie, without supports. All in millimetres.

/* [What] */
board = "pi4b"; // [pi3b, pi3bplus, pi4b, zero2w]
part = "both"; // [both, tub, lid]

/* [Buttons and light] */
// Thread of the panel-mount buttons; 12 and 16 are common.
button_hole = 12.4;
button_gap = 26;
// 5.2 for a bare 5 mm LED pressed in, 8.2 for a holder.
led_hole = 5.2;

/* [Box] */
wall = 2;
// Above the board: header, plugs on it, and the buttons' bodies.
room_above = 34;
// Below the board: solder, and air.
room_below = 4;
clearance = 1;
corner = 4;

/* [Hidden] */
$fn = 48;
hole = 2.7; // M2.5
standoff = 6.2;
lip = 3;
slack = 0.25;

zero = board == "zero2w";
size = zero ? [65, 30] : [85, 56];
// Mounting holes, from the corner with the SD card and pin 1's end of the long edge without plugs.
holes = zero ? [[3.5, 3.5], [61.5, 3.5], [3.5, 26.5], [61.5, 26.5]] : [[3.5, 3.5], [61.5, 3.5], [3.5, 52.5], [61.5, 52.5]];
// Openings in the wall of the long edge with the plugs: [from, width], measured from the SD card's end.
plugs = board == "pi4b" ? [[5, 13], [21, 26], [49.5, 9]]
    : zero ? [[5, 15], [36, 24]]
    : [[5, 12], [22.5, 19], [49, 9]];

inner = [size[0] + 2 * clearance, size[1] + 2 * clearance, room_below + 1.6 + room_above];
outer = [inner[0] + 2 * wall, inner[1] + 2 * wall, inner[2] + wall];
board_z = wall + room_below;

module rounded(dims, radius) {
    linear_extrude(dims[2]) translate([radius, radius])
        offset(radius) square([dims[0] - 2 * radius, dims[1] - 2 * radius]);
}

module at_board() {
    translate([wall + clearance, wall + clearance, 0]) children();
}

module tub() {
    difference() {
        rounded(outer, corner);
        translate([wall, wall, wall]) rounded([inner[0], inner[1], inner[2] + 1], corner - wall);
        // Plugs, on the front.
        for (plug = plugs)
            at_board() translate([plug[0], -wall - clearance - 1, board_z - 1]) cube([plug[1], wall + clearance + 2, 11]);
        // SD card, on the left; also a way in for a fingernail.
        translate([-1, outer[1] / 2 - 8, board_z - 4]) cube([wall + 2, 16, 6]);
        // USB and network, on the right; a Zero has none there.
        if (!zero) translate([outer[0] - wall - 1, wall + clearance, board_z]) cube([wall + 2, size[1], 17.5]);
        // The cable to amplifier or loudspeaker, at the back.
        translate([outer[0] * 0.75, outer[1] + 1, outer[2] - 9]) rotate([90, 0, 0]) cylinder(d = 6, h = wall + 2);
        vents();
    }
    at_board() for (p = holes) translate([p[0], p[1], wall]) standoff();
}

module standoff() {
    difference() {
        cylinder(d = standoff, h = room_below);
        translate([0, 0, -1]) cylinder(d = hole - 0.4, h = room_below + 2);
    }
}

module vents() {
    slots = floor((outer[0] - 24) / 6);
    for (i = [0 : slots - 1])
        translate([12 + i * 6, outer[1] - wall - 1, board_z + 8]) cube([2.4, wall + 2, 12]);
    for (i = [0 : slots - 1])
        translate([12 + i * 6, outer[1] * 0.3, -1]) cube([2.4, outer[1] * 0.4, wall + 2]);
}

module lid() {
    difference() {
        union() {
            rounded([outer[0], outer[1], wall], corner);
            translate([wall + slack, wall + slack, wall]) difference() {
                rounded([inner[0] - 2 * slack, inner[1] - 2 * slack, lip], corner - wall);
                translate([wall, wall, -1])
                    rounded([inner[0] - 2 * slack - 2 * wall, inner[1] - 2 * slack - 2 * wall, lip + 2], 1);
            }
        }
        // Seen from outside: skip on the left, never again on the right, the light between them.
        for (side = [-1, 1])
            translate([outer[0] / 2 + side * button_gap / 2, outer[1] / 2, -1]) cylinder(d = button_hole, h = wall + 2);
        translate([outer[0] / 2, outer[1] / 2 - (zero ? 0 : 14), -1]) cylinder(d = led_hole, h = wall + 2);
        // One notch beside skip, two beside never again: to be told apart by a finger.
        for (n = [0, 1, 2])
            translate([outer[0] / 2 + (n == 0 ? 1 : -1) * (button_gap / 2 + button_hole / 2 + 4) + (n == 2 ? -3 : 0),
                outer[1] / 2, -1]) cylinder(d = 1.6, h = 1.6);
    }
}

assert(board == "pi3b" || board == "pi3bplus" || board == "pi4b" || zero, "board must be pi3b, pi3bplus, pi4b or zero2w");
assert(button_gap > max(button_hole + 3, zero ? button_hole + led_hole + 2 : 0), "the buttons must not meet");

if (part != "lid") tub();
if (part != "tub") translate(part == "both" ? [0, outer[1] + 10, 0] : [0, 0, 0]) lid();
