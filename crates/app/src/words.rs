//! What the page says when something is missing.

use crate::protocol::NoGpu;

/// A problem in plain language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What is the matter, as a headline.
    pub title: &'static str,
    /// Why, in a sentence or two.
    pub why: String,
    /// What one can do, most promising first.
    pub what_to_do: Vec<&'static str>,
}

/// What a missing GPU means to whoever reads it. `agent` is the browser's name for itself.
pub fn advice(cause: &NoGpu, agent: &str) -> Advice {
    let agent = agent.to_lowercase();
    let apple_mobile = agent.contains("iphone") || agent.contains("ipad");
    let firefox = agent.contains("firefox/");
    let safari = agent.contains("safari/") && !agent.contains("chrom");
    let linux = agent.contains("linux") && !agent.contains("android");
    match cause {
        NoGpu::Insecure => Advice {
            title: "This page was not loaded over a secure connection",
            why: "Browsers offer WebGPU only to pages that come by https:// or from this very \
                  computer (localhost)."
                .to_owned(),
            what_to_do: vec![
                "Open the same address with https:// in front.",
                "If you run the page yourself, open it as http://localhost:… instead of by the \
                 computer's name or number.",
            ],
        },
        NoGpu::Absent => Advice {
            title: "This browser has no WebGPU",
            why: "The lab computes on your graphics card through WebGPU, which this browser does \
                  not have or has switched off."
                .to_owned(),
            what_to_do: if apple_mobile {
                vec![
                    "On an iPhone or iPad, update to iOS or iPadOS 26 or newer; any browser there will do.",
                ]
            } else if safari {
                vec!["Update to Safari 26 or newer (macOS 26), or", "use a current Chrome or Edge."]
            } else if firefox {
                vec![
                    "Update Firefox: on Windows it has WebGPU from version 141 on, on a Mac with \
                     Apple's own processor from 145 on.",
                    "Elsewhere, set dom.webgpu.enabled to true in about:config, or use a current \
                     Chrome or Edge.",
                ]
            } else {
                vec![
                    "Update the browser: Chrome and Edge have WebGPU from version 113 on, on \
                     Android from 121 on.",
                    "If it is new enough, see whether chrome://flags or your school has switched \
                     WebGPU off.",
                ]
            },
        },
        NoGpu::NotInWorkers => Advice {
            title: "This browser has WebGPU, but not where the lab needs it",
            why: "The lab computes in a thread of its own, so that the page stays quick. This \
                  browser offers WebGPU to the page only."
                .to_owned(),
            what_to_do: vec!["Update the browser, or use a current Chrome, Edge or Safari."],
        },
        NoGpu::NoAdapter => Advice {
            title: "The browser found no graphics card that it would use",
            why: "It has WebGPU, but no adapter: the driver may be too old or on the browser's \
                  block list, hardware acceleration may be off, or this is a virtual machine."
                .to_owned(),
            what_to_do: {
                let mut list = vec![
                    "Switch on “Use graphics acceleration when available” in the browser's \
                     settings (System), then restart it.",
                    "Update the graphics driver or the system.",
                ];
                if linux {
                    list.push(
                        "On Linux, start Chrome with --enable-unsafe-webgpu \
                         --enable-features=Vulkan; without a graphics card also with \
                         --use-webgpu-adapter=swiftshader.",
                    );
                }
                list.push("chrome://gpu says what the browser thinks of your graphics card.");
                list
            },
        },
        NoGpu::Unusable(reason) => Advice {
            title: "The graphics card cannot be used",
            why: format!("The browser's words: {reason}."),
            what_to_do: vec![
                "Close other tabs and programs that use the graphics card, then reload the page.",
                "Update the graphics driver or the system.",
            ],
        },
        NoGpu::NoWorker(reason) => Advice {
            title: "The lab's engine did not start",
            why: format!(
                "The page could not load the program that does the computing ({reason}). Perhaps \
                 the connection broke off, or the page was copied without all its files."
            ),
            what_to_do: vec!["Reload the page."],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_something_to_do() {
        let agents = [
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36",
            "Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) Version/17.0 Safari/604.1",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.4 Safari/605.1.15",
            "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
            "",
        ];
        let causes = [
            NoGpu::Insecure,
            NoGpu::Absent,
            NoGpu::NotInWorkers,
            NoGpu::NoAdapter,
            NoGpu::Unusable("too small".to_owned()),
            NoGpu::NoWorker("404".to_owned()),
        ];
        for cause in &causes {
            for agent in agents {
                let advice = advice(cause, agent);
                assert!(!advice.what_to_do.is_empty() && advice.why.ends_with('.'), "{advice:?}");
            }
        }
        let to_do = |agent| advice(&NoGpu::Absent, agent).what_to_do.concat();
        assert!(to_do(agents[1]).contains("iPadOS"));
        assert!(to_do(agents[2]).contains("Safari 26"));
        assert!(to_do(agents[3]).contains("Firefox"));
        assert!(to_do(agents[0]).contains("Chrome"));
    }
}
