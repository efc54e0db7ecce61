//! One table of design tokens for both themes.

use eframe::egui::{self, Color32, FontFamily, FontId, TextStyle};

/// Colours of one theme.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// From the window's ground to controls.
    pub background: [Color32; 4],
    pub line: Color32,
    /// From figures to notes.
    pub text: [Color32; 3],
    pub pass: Color32,
    pub divert: Color32,
    pub review: Color32,
    pub accent: Color32,
    pub stop: Color32,
    pub on_stop: Color32,
}

const fn hex(rgb: u32) -> Color32 {
    let [_, r, g, b] = rgb.to_be_bytes();
    Color32::from_rgb(r, g, b)
}

pub const DARK: Tokens = Tokens {
    background: [hex(0x0f_1216), hex(0x16_1a20), hex(0x1d_222a), hex(0x27_2d37)],
    line: hex(0x32_3a46),
    text: [hex(0xee_f2f6), hex(0xb4_bfcc), hex(0x85_92a3)],
    pass: hex(0x4f_b3e8),
    divert: hex(0xf0_703a),
    review: hex(0xf2_bf4a),
    accent: hex(0x8e_a2ff),
    stop: hex(0xff_5a52),
    on_stop: hex(0x0f_1216),
};

pub const LIGHT: Tokens = Tokens {
    background: [hex(0xe9_edf1), hex(0xf6_f8fa), hex(0xff_ffff), hex(0xe6_eaef)],
    line: hex(0xcf_d6de),
    text: [hex(0x12_171d), hex(0x3d_4854), hex(0x5d_6a78)],
    pass: hex(0x0b_6fa8),
    // Darker than the review's: without one kind of cone only that tells them apart.
    divert: hex(0x8f_2400),
    review: hex(0x7e_6900),
    accent: hex(0x41_53c9),
    stop: hex(0xc4_221b),
    on_stop: hex(0xff_ffff),
};

pub const SPACE: [f32; 5] = [4.0, 8.0, 12.0, 16.0, 24.0];
pub const RADIUS_SMALL: u8 = 6;
pub const RADIUS_CONTROL: u8 = 8;
pub const RADIUS_CARD: u8 = 10;
/// Gloves.
pub const CONTROL_HEIGHT: f32 = 44.0;

pub const NOTE: f32 = 12.0;
pub const SECONDARY: f32 = 13.0;
pub const BODY: f32 = 15.0;
pub const TITLE: f32 = 16.0;
pub const FIGURE: f32 = 30.0;

/// The tokens of the theme in force.
pub fn tokens(ui: &egui::Ui) -> Tokens {
    if ui.visuals().dark_mode { DARK } else { LIGHT }
}

/// The same, outside of a frame's parts.
pub fn tokens_of(ctx: &egui::Context) -> Tokens {
    if ctx.theme() == egui::Theme::Dark { DARK } else { LIGHT }
}

pub fn install(ctx: &egui::Context) {
    for (theme, tokens) in [(egui::Theme::Dark, DARK), (egui::Theme::Light, LIGHT)] {
        ctx.style_mut_of(theme, |style| {
            let visuals = &mut style.visuals;
            visuals.panel_fill = tokens.background[0];
            visuals.window_fill = tokens.background[1];
            visuals.extreme_bg_color = tokens.background[0];
            visuals.override_text_color = Some(tokens.text[0]);
            visuals.text_edit_bg_color = Some(tokens.background[0]);
            visuals.selection.bg_fill = tokens.background[3];
            visuals.selection.stroke = egui::Stroke::new(1.5, tokens.accent);
            visuals.window_stroke = egui::Stroke::new(1.0, tokens.line);
            visuals.window_shadow = egui::Shadow::NONE;
            visuals.popup_shadow = egui::Shadow::NONE;
            visuals.window_corner_radius = RADIUS_CARD.into();
            visuals.menu_corner_radius = RADIUS_CONTROL.into();
            for widget in [
                &mut visuals.widgets.inactive,
                &mut visuals.widgets.hovered,
                &mut visuals.widgets.active,
                &mut visuals.widgets.noninteractive,
            ] {
                widget.corner_radius = RADIUS_CONTROL.into();
                widget.bg_stroke = egui::Stroke::new(1.0, tokens.line);
                widget.expansion = 0.0;
            }
            visuals.widgets.inactive.weak_bg_fill = tokens.background[2];
            visuals.widgets.hovered.weak_bg_fill = tokens.background[3];
            visuals.widgets.active.weak_bg_fill = tokens.background[3];
            visuals.widgets.hovered.bg_stroke = egui::Stroke::new(1.0, tokens.text[2]);
            visuals.widgets.active.bg_stroke = egui::Stroke::new(1.5, tokens.accent);
            style.spacing.item_spacing = egui::vec2(SPACE[1], SPACE[1]);
            style.spacing.button_padding = egui::vec2(SPACE[3], SPACE[1]);
            style.spacing.interact_size.y = 32.0;
            // Nothing moves for its own sake.
            style.animation_time = 0.0;
            let font = |size| FontId::new(size, FontFamily::Proportional);
            style.text_styles.insert(TextStyle::Small, font(NOTE));
            style.text_styles.insert(TextStyle::Body, font(BODY));
            style.text_styles.insert(TextStyle::Button, font(BODY));
            style.text_styles.insert(TextStyle::Heading, font(TITLE));
        });
    }
}

/// Matrices of Machado, Oliveira and Fernandes (2009) at full severity: without long, middle and short
/// cones.
#[cfg(test)]
pub const COLOR_BLIND: [[[f64; 3]; 3]; 3] = [
    [
        [0.152_286, 1.052_583, -0.204_868],
        [0.114_503, 0.786_281, 0.099_216],
        [-0.003_882, -0.048_116, 1.051_998],
    ],
    [
        [0.367_322, 0.860_646, -0.227_968],
        [0.280_085, 0.672_501, 0.047_413],
        [-0.011_820, 0.042_940, 0.968_881],
    ],
    [
        [1.255_528, -0.076_749, -0.178_779],
        [-0.078_411, 0.930_809, 0.147_602],
        [0.004_733, 0.691_367, 0.303_900],
    ],
];

/// Relative luminance as WCAG 2 defines it.
#[cfg(test)]
pub fn luminance(color: Color32) -> f64 {
    let linear = |channel: u8| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
}

/// A colour as a person sees it who lacks one kind of cone: linear RGB times one of [`COLOR_BLIND`].
#[cfg(test)]
pub fn seen_with(matrix: [[f64; 3]; 3], color: Color32) -> [f64; 3] {
    let linear = [color.r(), color.g(), color.b()].map(|c| (f64::from(c) / 255.0).powf(2.2));
    matrix.map(|row| row.iter().zip(linear).map(|(a, b)| a * b).sum::<f64>().clamp(0.0, 1.0).powf(1.0 / 2.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As WCAG 2 defines it.
    fn contrast(a: Color32, b: Color32) -> f64 {
        let (la, lb) = (luminance(a), luminance(b));
        (la.max(lb) + 0.05) / (la.min(lb) + 0.05)
    }

    #[test]
    fn the_three_routes_stay_apart_for_colour_blind_people() {
        for (name, tokens) in [("dark", DARK), ("light", LIGHT)] {
            for kind in COLOR_BLIND {
                let seen = [tokens.pass, tokens.divert, tokens.review].map(|color| seen_with(kind, color));
                for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                    let apart: f64 =
                        seen[a].iter().zip(seen[b]).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
                    assert!(apart > 0.12, "{name}: {a} and {b} are {apart:.2} apart");
                }
            }
        }
    }

    #[test]
    fn every_text_colour_can_be_read_on_every_ground() {
        assert!((contrast(Color32::WHITE, Color32::BLACK) - 21.0).abs() < 0.01);
        for (name, tokens) in [("dark", DARK), ("light", LIGHT)] {
            for ground in &tokens.background[..3] {
                for text in
                    tokens.text.iter().chain([&tokens.pass, &tokens.divert, &tokens.review, &tokens.accent])
                {
                    let found = contrast(*text, *ground);
                    assert!(found >= 4.5, "{name}: {text:?} on {ground:?} has {found:.2}");
                }
            }
            for text in &tokens.text[..2] {
                assert!(
                    contrast(*text, tokens.background[3]) >= 4.5,
                    "{name}: {text:?} on a pressed control"
                );
            }
            assert!(contrast(tokens.on_stop, tokens.stop) >= 4.5, "{name}: STOP");
        }
    }
}
