"""How every report looks, whatever it reports: page, pictures, numbers."""
