"""Why an order filled, waited, was refused or was canceled: told from the journal alone."""
