module github.com/talos-cockpit/talos-cockpit/test/bed

go 1.26.6
