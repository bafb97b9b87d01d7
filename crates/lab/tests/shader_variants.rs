//! The list of specialisations is complete and consistent.

use std::collections::BTreeSet;
use weightlab_lab::shader_variants;

#[test]
fn no_shader_is_forgotten() {
    let listed: BTreeSet<_> = shader_variants().iter().map(|v| v.shader.name).collect();
    for shader in weightlab_kernels::ALL {
        assert!(listed.contains(shader.name), "{}", shader.name);
    }
    for template in weightlab_kernels::TEMPLATES {
        let made = listed.iter().filter(|name| name.starts_with(template.name)).count();
        assert!(made >= 2, "{} composed {made} times", template.name);
    }
}

#[test]
fn constants_are_those_of_the_shader() {
    for variant in shader_variants() {
        let mut given: Vec<_> = variant.constants.iter().map(|(name, _)| *name).collect();
        let mut wanted = variant.shader.overrides.to_vec();
        given.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(given, wanted, "{}", variant.shader.name);
    }
}
